// ---- the search, as Python computed it: plain objects in, plain objects out ----

/** A probability to three significant digits, to two below 0.001: 0.0036, > 0.999, 2.1e-06. */
function probability(value) {
  if (value >= 0.9995 && value < 1 - 1e-9) return "> 0.999";
  if (value < 1e-5) return scientific(value);
  const digits = (value < 1e-3 ? 1 : 2) - Math.floor(Math.log10(value));
  return value.toFixed(digits).replace(/0+$/, "").replace(/\.$/, "");
}

/** The candidates from the first step down to candidate i of step t (from 1). */
function pathTo(search, t, i) {
  const path = [];
  for (let step = t, place = i; step >= 1; step -= 1) {
    const candidate = search.steps[step - 1].candidates[place];
    path.unshift({ ...candidate, t: step, i: place });
    place = candidate.parent;
  }
  return path;
}

const wordsOf = (path) => path.map((one) => one.label).join(" ");

/** All hypotheses that the search holds after step t: those that have ended, then the open ones. */
function hypothesesAfter(search, t) {
  const found = [];
  for (let step = 1; step <= t; step += 1) {
    search.steps[step - 1].candidates.forEach((candidate, i) => {
      if (candidate.fate === "ended" || (candidate.fate === "open" && step === t)) {
        found.push({ t: step, i, words: wordsOf(pathTo(search, step, i)), ended:
          candidate.fate === "ended", product: candidate.product,
          perToken: candidate.product ** (1 / step) });
      }
    });
  }
  return [...found.filter((one) => one.ended), ...found.filter((one) => !one.ended)];
}

const scoreOf = (one, ranking) => ranking === "product" ? one.product : one.perToken;

/** Best first; among equals the earlier one, as `decoding.beam_search` sorts. */
function ranked(found, ranking) {
  return [...found].sort((a, b) => scoreOf(b, ranking) - scoreOf(a, ranking));
}

/** The order of a step's candidates from top to bottom: by parent, so that no two edges cross. */
function drawnOrder(search) {
  const orders = [];
  search.steps.forEach(({ candidates }, step) => {
    const above = (i) => step === 0 ? 0 : orders[step - 1].indexOf(candidates[i].parent);
    orders.push(candidates.map((_, i) => i).sort((a, b) => above(a) - above(b) || a - b));
  });
  return orders;
}

// ---- in words ----

const quoted = (words) => `\u201c${words}\u201d`;
const many = (count, one, several) => `${count} ${count === 1 ? one : several}`;

function listed(texts) {
  return texts.length < 2 ? texts.join("")
    : `${texts.slice(0, -1).join(", ")} and ${texts[texts.length - 1]}`;
}

/** What happened at step t, and at the last step what has come of it. */
function describe(search, t, ranking) {
  if (t === 0) {
    return `Nothing is chosen yet. The beam has room for ${
      many(search.width, "hypothesis", "hypotheses")}${
      search.width === 1 ? ": this is greedy decoding" : ""}.`;
  }
  const { candidates, others } = search.steps[t - 1];
  const shown = candidates.map((candidate, i) => ({ ...candidate,
    words: quoted(wordsOf(pathTo(search, t, i))) }));
  const those = (fate) => shown.filter((one) => one.fate === fate);
  const [ended, open, dropped] = [those("ended"), those("open"), those("dropped")];
  const parts = ended.map((one) =>
    `${one.words} ends with probability ${probability(one.product)} and is kept aside`);
  const last = t === search.steps.length;
  if (open.length && last) {
    parts.push(open.length === 1
      ? `${open[0].words} (${probability(open[0].product)}) is kept and cut off at ${
        many(t, "token", "tokens")}`
      : `${open.length} are kept and cut off at ${many(t, "token", "tokens")}, the best of them ${
        open[0].words} (${probability(open[0].product)})`);
  } else if (open.length) {
    parts.push(`${listed(open.map((one) => `${one.words} (${probability(one.product)})`))} ${
      open.length === 1 ? "is" : "are"} kept in the beam`);
  }
  if (dropped.length) {
    const count = dropped.length + others;
    parts.push(count === 1
      ? `${dropped[0].words} (${probability(dropped[0].product)}) is dropped`
      : `${count} candidates are dropped, the best of them ${dropped[0].words} (${
        probability(dropped[0].product)})`);
  } else if (others) {
    parts.push(`${many(others, "candidate is", "candidates are")} dropped`);
  }
  return `Step ${t}: ${parts.join("; ")}. ${outcome(search, t, ranking)}`.trim();
}

function outcome(search, t, ranking) {
  const found = hypothesesAfter(search, t);
  if (t < search.steps.length) {
    const room = search.width - found.filter((one) => one.ended).length;
    return room < search.width
      ? `From here on the beam has room for ${many(room, "hypothesis", "hypotheses")}.` : "";
  }
  const [best, second] = ranked(found, ranking);
  const how = ranking === "product" ? "by product" : "per token";
  const score = (one) => probability(scoreOf(one, ranking));
  return `The search is over. Ranked ${how}, ${quoted(best.words)} is first with ${score(best)}${
    second ? `, before ${quoted(second.words)} with ${score(second)}` : ""}.`;
}

/** How candidate i of step t got its probability. */
function arithmetic(search, t, i) {
  const path = pathTo(search, t, i);
  const last = path[path.length - 1];
  const fate = { open: "kept in the beam", ended: "ended and kept aside", dropped: "dropped" };
  const factors = path.map((one) => probability(one.probability)).join(" \u00d7 ");
  const product = make("strong", { class: "nlpx-product", "data-value": last.product },
    probability(last.product));
  return [quoted(wordsOf(path)), ": ", ...(t > 1 ? [`${factors} = `] : []), product,
    t > 1 ? `, per token ${probability(last.product ** (1 / t))}` : "",
    `; ${fate[last.fate]} at step ${t}.`];
}

// ---- the drawing ----

const TREE = { top: 24, row: 48, height: 40, end: 16 };

/** The tree up to step t; the best hypothesis is marked once the search is over. */
function drawTree({ width, search, start, t, best, picked, pick }) {
  const steps = search.steps;
  const labels = steps.flatMap((step) => step.candidates.map((one) => one.label.length));
  const box = clamp(Math.max(...labels) * 8 + 18, 66, 124);
  const root = clamp(start.length * 8 + 18, 48, 124);
  const gap = clamp((width - root - 4 - TREE.end) / steps.length - box, 56, 150);
  const total = Math.max(width, root + 4 + steps.length * (box + gap) + TREE.end);
  const rows = Math.max(...steps.map((step) => step.candidates.length));
  const height = TREE.top + rows * TREE.row + 6;
  const middle = TREE.top + (rows * TREE.row) / 2;
  const left = (step) => root + 2 + gap + (step - 1) * (box + gap);
  const orders = drawnOrder(search);
  const centre = (step, i) => middle + TREE.row * (orders[step - 1].indexOf(i) + 0.5
    - orders[step - 1].length / 2);

  const svg = draw("svg", { class: "nlpx-tree", viewBox: `0 0 ${total} ${height}`, width: total,
    height, role: "group", "aria-label": `The tree of hypotheses up to step ${t}. Arrow keys move `
      + "from candidate to candidate." });
  const write = (x, y, content, kind, anchor = "middle") =>
    svg.append(draw("text", { x, y, class: kind, "text-anchor": anchor }, content));

  if (t > 0) {
    svg.append(draw("rect", { class: "nlpx-now", x: left(t) - 7, y: 1, width: box + 14,
      height: height - 2, rx: 9 }));
  }
  steps.forEach((_, k) => write(left(k + 1) + box / 2, 16, `step ${k + 1}`,
    k + 1 === t ? "nlpx-strong" : "nlpx-quiet"));
  svg.append(draw("rect", { class: "nlpx-root", x: 2, y: middle - 15, width: root, height: 30,
    rx: 15 }));
  write(2 + root / 2, middle + 4, start, "nlpx-strong");

  const bestPath = best ? pathTo(search, best.t, best.i) : [];
  const onBest = (step, i) => bestPath.some((one) => one.t === step && one.i === i);
  for (let step = t + 1; step <= steps.length; step += 1) {
    svg.append(draw("rect", { class: "nlpx-ghost", x: left(step), y: middle - TREE.height / 2,
      width: box, height: TREE.height, rx: 8 }));
  }
  for (let step = 1; step <= t; step += 1) {
    steps[step - 1].candidates.forEach((one, i) => {
      const [x, y] = [left(step), centre(step, i)];
      const [fromX, fromY] = step === 1 ? [2 + root, middle]
        : [left(step - 1) + box, centre(step - 1, one.parent)];
      const bend = (x - fromX) * 0.45;
      svg.append(draw("path", { class: `nlpx-branch nlpx-${one.fate}`, "data-t": step,
        "data-i": i, d: `M${fromX} ${fromY}C${fromX + bend} ${fromY} ${x - bend - 12} ${y} ${x} ${y}`,
      }));
    });
  }
  for (let step = 1; step <= t; step += 1) {
    orders[step - 1].forEach((i) => {
      const one = steps[step - 1].candidates[i];
      const [x, y] = [left(step), centre(step, i)];
      const isPicked = picked && picked.t === step && picked.i === i;
      const words = wordsOf(pathTo(search, step, i));
      const fate = { open: "kept", ended: "ended and kept", dropped: "dropped" }[one.fate];
      const first = onBest(step, i) ? "nlpx-best" : "";
      svg.append(draw("g", { class: `nlpx-node nlpx-${one.fate} ${first}`, role: "button",
        tabindex: isPicked ? 0 : -1, "aria-pressed": String(Boolean(isPicked)), "data-t": step,
        "data-i": i, "data-value": one.product,
        "aria-label": `${one.label} ${probability(one.product)}: ${words}, ${fate}`,
        on: { click: () => pick(step, i) } },
        draw("rect", { class: "nlpx-node-box", x, y: y - TREE.height / 2, width: box,
          height: TREE.height, rx: 8 }),
        one.fate === "ended" ? draw("rect", { class: "nlpx-end-mark", x: x + box + 4,
          y: y - TREE.height / 2, width: 5, height: TREE.height, rx: 1 }) : null,
        draw("text", { x: x + box / 2, y: y - 3, class: "nlpx-token", "text-anchor": "middle" },
          one.label),
        " ",
        draw("text", { x: x + box / 2, y: y + 13, class: "nlpx-number", "text-anchor": "middle" },
          probability(one.product))));
    });
  }
  return { svg, centreOfStep: t > 0 ? left(t) + box / 2 : 0 };
}

/** What the search holds after step t, best first. */
function resultTable(search, t, ranking, start) {
  const over = t === search.steps.length;
  const found = ranked(hypothesesAfter(search, t), ranking);
  const how = ranking === "product" ? "by product" : "per token";
  const caption = over ? `What the search finds, ranked ${how}`
    : `Hypotheses after step ${t}, ranked ${how}`;
  const fate = (one) => one.ended ? "ended" : over ? "cut off" : "open";
  const number = (value) => make("td", { "data-value": value }, probability(value));
  return make("div", { class: "nlpx-scroll", tabindex: 0, role: "region",
    "aria-label": `${caption}, from ${start}` },
    make("table", { class: "nlpx-found" }, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ["hypothesis", "product", "per token", "tokens", ""].map(
        (cell) => make("th", { scope: "col" }, cell)))),
      make("tbody", {}, found.map((one, i) => make("tr", { class: over && i === 0 ? "nlpx-current"
        : null }, make("th", { scope: "row" }, one.words), number(one.product),
        number(one.perToken), make("td", {}, String(one.t)), make("td", {}, fate(one)))))));
}

function legend() {
  const entry = (kind, words) => make("li", {}, draw("svg", { class: "nlpx-swatch",
    width: kind === "ended" ? 26 : 19, height: 16, "aria-hidden": "true" }, draw("g", { class: `nlpx-node nlpx-${kind}` },
    draw("rect", { class: "nlpx-node-box", x: 1, y: 1, width: 17, height: 14, rx: 4 }),
    kind === "ended" ? draw("rect", { class: "nlpx-end-mark", x: 21, y: 1, width: 4, height: 14 })
      : null)), words);
  return make("ul", { class: "nlpx-legend" }, entry("open", "kept in the beam"),
    entry("ended", "ended, kept aside"), entry("dropped", "dropped"));
}

function render({ model, el }) {
  const searches = model.get("searches");
  const start = model.get("start");
  const shown = { picked: null, pointer: null, previewed: null, width: 0, place: "" };
  const search = () => searches.find((one) => one.width === model.get("width"));

  const widths = choice(model, { legend: "Beam width k",
    options: searches.map((one) => [one.width, String(one.width)]), value: model.get("width"),
    onChange: (width) => update(model, { width }) });
  const rankings = choice(model, { legend: "Rank by",
    options: [["product", "product"], ["per token", "per token"]], value: model.get("ranking"),
    onChange: (ranking) => update(model, { ranking }) });
  const goTo = (t) => update(model, { step: clamp(t, 0, search().steps.length) });
  const back = button("\u2190 Back", () => goTo(model.get("step") - 1));
  const next = button("Next \u2192", () => goTo(model.get("step") + 1));
  const time = slider(model, { label: "Step", min: 0, max: 1, step: 1, value: 0,
    write: (t) => `${t} of ${search().steps.length}`, onInput: goTo });

  const tree = make("div", { class: "nlpx-scroll nlpx-figure", tabindex: -1 });
  const readout = make("p", { class: "nlpx-readout", "aria-live": "polite" });
  const results = make("div", { class: "nlpx-panel" });
  const view = frame(model, el, "Step through a beam search",
    make("div", { class: "nlpx-controls" }, widths.node, rankings.node,
      make("div", { class: "nlpx-field nlpx-time" }, back, next, time.node)),
    tree, legend(), readout, results,
    make("p", { class: "nlpx-note" }, "The number in a box is the product of all probabilities up "
      + "to there. Per token is its root of as many as there are tokens: the geometric mean."));
  tree.before(view.status);
  view.status.classList.add("nlpx-search-status");

  const nodeAt = (spot) => spot
    && tree.querySelector(`.nlpx-node[data-t="${spot.t}"][data-i="${spot.i}"]`);

  function showPath() {
    const spot = shown.previewed || shown.picked;
    const path = spot ? pathTo(search(), spot.t, spot.i) : [];
    for (const node of tree.querySelectorAll("[data-t]")) {
      node.classList.toggle("nlpx-on-path", path.some((one) => one.t === Number(node.dataset.t)
        && one.i === Number(node.dataset.i)));
    }
    readout.replaceChildren(...(spot ? arithmetic(search(), spot.t, spot.i)
      : ["Step on to see the first candidates."]));
  }

  function pick(t, i) {
    const before = nodeAt(shown.picked);
    if (before) fill(before, { tabindex: -1, "aria-pressed": "false" }, []);
    shown.picked = { t, i };
    shown.previewed = null;
    const node = nodeAt(shown.picked);
    fill(node, { tabindex: 0, "aria-pressed": "true" }, []);
    node.focus({ preventScroll: true });
    const [box, room] = [node.getBoundingClientRect(), tree.getBoundingClientRect()];
    if (box.left < room.left || box.right > room.right) {
      tree.scrollLeft += box.left - room.left - (room.width - box.width) / 2;
    }
    showPath();
  }

  // A redraw puts a new node under a resting pointer: only a pointer at a new place previews.
  const follow = (event) => {
    const { clientX: x, clientY: y } = event;
    if (shown.pointer && shown.pointer.x === x && shown.pointer.y === y) return;
    shown.pointer = { x, y };
    const node = event.target.closest(".nlpx-node");
    shown.previewed = node && { t: Number(node.dataset.t), i: Number(node.dataset.i) };
    showPath();
  };

  function redrawTree() {
    const t = model.get("step");
    const over = t === search().steps.length;
    const best = over ? ranked(hypothesesAfter(search(), t), model.get("ranking"))[0] : null;
    const active = el.getRootNode().activeElement;
    const hadFocus = tree.contains(active) && active !== tree;
    const { svg, centreOfStep } = drawTree({ width: shown.width || 640, search: search(), start, t,
      best, picked: shown.picked, pick });
    const scrolled = tree.scrollLeft;
    tree.replaceChildren(svg);
    tree.scrollLeft = scrolled;
    const half = tree.clientWidth / 2;
    if (Math.abs(centreOfStep - scrolled - half) > half - 80) tree.scrollLeft = centreOfStep - half;
    if (hadFocus && shown.picked) nodeAt(shown.picked).focus({ preventScroll: true });
    showPath();
  }

  function redraw() {
    const n = search().steps.length;
    const t = clamp(model.get("step"), 0, n);
    if (t !== model.get("step")) { update(model, { step: t }); return; }
    const over = t === n;
    const place = `${model.get("width")}/${t}${over ? model.get("ranking") : ""}`;
    if (place !== shown.place) {
      const best = over ? ranked(hypothesesAfter(search(), t), model.get("ranking"))[0] : null;
      shown.picked = best ? { t: best.t, i: best.i } : t > 0 ? { t, i: 0 } : null;
      shown.previewed = null;
      shown.place = place;
    }
    widths.show(model.get("width"));
    rankings.show(model.get("ranking"));
    time.range(0, n);
    time.show(t);
    back.setAttribute("aria-disabled", String(t <= 0));
    next.setAttribute("aria-disabled", String(t >= n));
    redrawTree();
    view.say(describe(search(), t, model.get("ranking")));
    results.replaceChildren(...(t > 0 ? [resultTable(search(), t, model.get("ranking"), start)] : []));
  }

  tree.addEventListener("pointermove", follow);
  tree.addEventListener("pointerleave", () => { shown.previewed = null; showPath(); });
  tree.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !shown.picked) return;
    event.preventDefault();
    const { t, i } = shown.picked;
    const order = drawnOrder(search())[t - 1];
    if (event.key === "ArrowLeft" && t > 1) pick(t - 1, search().steps[t - 1].candidates[i].parent);
    if (event.key === "ArrowRight" && t < model.get("step")) {
      const child = search().steps[t].candidates.findIndex((one) => one.parent === i);
      if (child >= 0) pick(t + 1, child);
    }
    const beside = order.indexOf(i) + { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (beside >= 0 && beside < order.length) pick(t, order[beside]);
  });

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["width", "step", "ranking"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopFollowing = followWidth(tree, (width) => { shown.width = width; redrawTree(); });
  return () => { stopListening(); stopFollowing(); };
}

export default { render };
