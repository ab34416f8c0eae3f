// ---- the computation: plain arrays in, plain arrays out ----

/** [query][key], true = may attend; the last `padding` tokens are padding. */
function allowedPairs(count, padding, causal) {
  return Array.from({ length: count }, (_, query) => Array.from({ length: count },
    (_, key) => key < count - padding && (!causal || key <= query)));
}

/** Minus infinity gets 0, also in a row of nothing else. */
function softmax(row) {
  const top = Math.max(...row);
  if (top === -Infinity) return row.map(() => 0);
  const powers = row.map((score) => Math.exp(score - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** What stands between scores and weights, and the weights. */
function maskSteps(scores, allowed, method) {
  const masked = (rows, nothing) => rows.map((row, i) =>
    row.map((value, j) => (allowed[i][j] ? value : nothing)));
  if (method === "zero-weights") {
    const between = scores.map(softmax);
    return { between, weights: masked(between, 0) };
  }
  const between = masked(scores, method === "minus-infinity" ? -Infinity : 0);
  return { between, weights: between.map(softmax) };
}

/** Per row the sum of its weights, and of those that forbidden keys have got. */
function measure(weights, allowed) {
  const sum = (row) => row.reduce((total, weight) => total + weight, 0);
  return {
    forbidden: allowed.flat().filter((may) => !may).length,
    sums: weights.map(sum),
    leaks: weights.map((row, i) => sum(row.filter((_, j) => !allowed[i][j]))),
  };
}

// ---- the words ----

const WHOLE = 1e-6; // a sum this near to 1 is 1
const NOTHING = 0.005; // smaller shares would be written 0.00

function ordinal(count) {
  const teen = count % 100 > 10 && count % 100 < 14;
  return `${count}${teen ? "th" : ["th", "st", "nd", "rd"][count % 10] || "th"}`;
}

/** A token in quotation marks, "the 2nd ..." where the sentence has several of it. */
function named(tokens, k) {
  const several = tokens.indexOf(tokens[k]) !== tokens.lastIndexOf(tokens[k]);
  const before = tokens.slice(0, k + 1).filter((token) => token === tokens[k]).length;
  return `${several ? `the ${ordinal(before)} ` : ""}\u201c${tokens[k]}\u201d`;
}

/** ["a", "b", "c"] -> "a, b and c". */
function joined(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${
    words[words.length - 1]}`;
}

const share = (value) => value === 0 ? "0" : value < NOTHING ? "less than 0.01"
  : value > 1 - NOTHING ? "more than 0.99" : fixed(value);
const capital = (words) => words[0].toUpperCase() + words.slice(1);
const reached = (sum) => 1 - sum < NOTHING ? "just below 1" : fixed(sum);

/** What the mask has done to all queries together. */
function overallWords(tokens, allowed, weights) {
  const { forbidden, sums, leaks } = measure(weights, allowed);
  const count = tokens.length;
  if (!forbidden) {
    return `No pair is forbidden: every query may attend to all ${count} keys, every row sums to `
      + "1, and the three ways to apply a mask agree.";
  }
  const leak = Math.max(...leaks);
  const lowest = Math.min(...sums);
  const whole = sums.every((sum) => Math.abs(sum - 1) < WHOLE);
  const said = `${forbidden} of ${count * count} pairs ${forbidden === 1 ? "is" : "are"} forbidden; `;
  if (leak > 0) {
    return `${said}forbidden keys still get up to ${share(leak)} of a row\u2019s weight (query ${
      named(tokens, leaks.indexOf(leak))}), although every row sums to 1.`;
  }
  return `${said}forbidden keys get 0 of the weight${whole ? "; every row sums to 1."
    : `, but row sums fall to ${reached(lowest)} (query ${named(tokens, sums.indexOf(lowest))}).`}`;
}

/** What the mask has done to one query. */
function queryWords(tokens, allowed, weights, row, padding) {
  const keys = tokens.map((_, j) => j);
  const list = (chosen) => joined(chosen.map((j) => named(tokens, j)));
  const open = keys.filter((j) => allowed[row][j]);
  const shut = keys.filter((j) => !allowed[row][j]);
  const sum = weights[row].reduce((total, weight) => total + weight, 0);
  const leak = shut.reduce((total, j) => total + weights[row][j], 0);
  const said = `${capital(named(tokens, row))} may attend to ${list(open)}: weight${
    open.length > 1 ? "s" : ""} ${open.map((j) => fixed(weights[row][j])).join(", ")}`;
  const rest = leak > 0 ? `; forbidden, but still given weight: ${joined(shut.map((j) =>
    `${named(tokens, j)} ${share(weights[row][j])}`))}`
    : Math.abs(sum - 1) < WHOLE ? "" : `; their sum is ${reached(sum)}, not 1, because the softmax `
      + `has also counted ${list(shut)}`;
  const unused = row >= tokens.length - padding ? " It is padding itself: nothing reads its row."
    : "";
  return `${said}${rest}.${unused}`;
}

const CAPTIONS = {
  "minus-infinity": ["Scores", "Mask: forbidden scores become \u2212\u221e", "Softmax: weights"],
  "zero-scores": ["Scores", "Mask: forbidden scores become 0", "Softmax: weights"],
  "zero-weights": ["Scores", "Softmax: weights of all keys", "Mask: forbidden weights become 0"],
};

// ---- the drawing ----

/** 0.25 -> ".25", -1.5 -> "−1.50", 12.34 -> "12.3", −Infinity -> "−∞". */
function brief(value) {
  if (value === -Infinity) return "\u2212\u221e";
  if (value === 0) return "0";
  return fixed(value, Math.abs(value) < 9.995 ? 2 : 1).replace(/^(\u2212?)0\./, "$1.");
}

/** An empty grid, queries down and keys across; the last has a column for the sums of its rows. */
function gridOf(tokens, place) {
  const last = place === 2;
  const upright = tokens.some((token) => Array.from(token).length > 3);
  const caption = make("span", {});
  const head = tokens.map((token) => make("th", { scope: "col" },
    make("span", { class: upright ? "nlpx-mask-upright" : null }, token)));
  const rows = tokens.map((token, i) => {
    const name = place ? make("span", { class: "nlpx-mask-query" }, token)
      : make("button", { type: "button", class: "nlpx-mask-query" }, token);
    const cells = tokens.map(() => {
      const number = make("span", {});
      return { number, cell: make("td", {}, number) };
    });
    const sum = last ? make("td", { class: "nlpx-mask-sum" }) : null;
    const line = make("tr", { "data-row": i + 1 }, make("th", { scope: "row" }, name),
      cells.map(({ cell }) => cell), sum);
    return { name, cells, sum, line };
  });
  const table = make("table", { class: "nlpx-mask-grid" },
    make("caption", {}, make("span", { class: "nlpx-mask-place" }, String(place + 1)), " ",
      caption),
    make("thead", {}, make("tr", {}, make("td", { class: "nlpx-mask-corner" }), head,
      last ? make("th", { scope: "col", class: "nlpx-mask-sum" }, "sum") : null)),
    make("tbody", {}, rows.map(({ line }) => line)));
  return { table, caption, head, rows };
}

/** A colour map with its name and ends. */
function ramp(scale, words, low, high) {
  return make("span", { class: "nlpx-mask-key" }, words,
    make("span", { class: "nlpx-number" }, low),
    make("span", { class: "nlpx-mask-ramp",
      style: `background:linear-gradient(90deg,${scale.map(([fill]) => fill).join(",")})` }),
    make("span", { class: "nlpx-number" }, high));
}

function render({ model, el }) {
  const tokens = model.get("tokens");
  const scores = model.get("scores");
  const scales = model.get("scales");
  const count = tokens.length;
  const limit = Math.max(1, Math.ceil(Math.max(...scores.flat().map(Math.abs))));
  const shown = { preview: -1, pointer: null, entry: 0, allowed: null, weights: null };

  const colour = (kind, value) => {
    const scale = scales[kind];
    const at = kind === "weight" ? value : (value / limit + 1) / 2;
    return scale[Math.round(clamp(at, 0, 1) * (scale.length - 1))];
  };
  const padding = () => clamp(model.get("padding"), 0, count - 1);
  const marked = () => clamp(model.get("row"), -1, count - 1);
  const mark = (row) => {
    shown.preview = -1;
    if (row >= 0) shown.entry = row;
    update(model, { row });
    showRow();
  };
  const toggle = (row) => mark(marked() === row ? -1 : row);

  const pads = slider(model, { label: "Padding", min: 0, max: count - 1, step: 1,
    value: padding(), write: (k) => `${k} token${k === 1 ? "" : "s"}`,
    onInput: (k) => update(model, { padding: k }) });
  pads.node.classList.add("nlpx-mask-padding");
  const later = choice(model, { legend: "Later positions", options: [["visible", "visible"],
    ["hidden", "hidden (causal)"]], value: "visible",
    onChange: (key) => update(model, { causal: key === "hidden" }) });
  const method = choice(model, { legend: "The mask puts", options: [
    ["minus-infinity", "\u2212\u221e before the softmax"], ["zero-scores", "0 before the softmax"],
    ["zero-weights", "0 after the softmax"]], value: model.get("method"),
    onChange: (key) => update(model, { method: key }) });
  const grids = [0, 1, 2].map((place) => gridOf(tokens, place));
  const names = grids[0].rows.map(({ name }) => name);
  const figure = make("div", { class: "nlpx-scroll nlpx-figure nlpx-mask-grids", tabindex: 0,
    role: "region", "aria-label": "Three grids, queries down and keys across. On the queries of "
      + "the first, up and down arrow keys mark a row, escape takes the mark away." },
    grids.map(({ table }) => table));
  const longest = Math.max(...tokens.map((token) => Array.from(token).length));
  figure.style.setProperty("--nlpx-mask-names", `calc(${(0.5 * longest).toFixed(2)}rem + 0.8rem)`);
  figure.style.setProperty("--nlpx-mask-count", String(count));
  const view = frame(model, el, "What a mask does before and after the softmax",
    make("div", { class: "nlpx-controls" }, pads.node, later.node, method.node), figure,
    make("div", { class: "nlpx-mask-keys" },
      make("span", { class: "nlpx-mask-key" }, make("span", { class: "nlpx-mask-sample" }),
        "forbidden"),
      make("span", { class: "nlpx-mask-key nlpx-mask-down" }, "\u2193 queries"),
      make("span", { class: "nlpx-mask-key nlpx-mask-across" }, "\u2192 keys"),
      ramp(scales.score, "score", `\u2212${limit}`, String(limit)),
      ramp(scales.weight, "weight", "0", "1")),
    make("p", { class: "nlpx-note" }, "Point at a row, or choose its query in the first grid. "
      + "Padding, at the end, is forbidden to every query; a causal mask forbids the keys after "
      + "the query. The first key is never forbidden, so that no row is without a key."));
  figure.before(view.status);
  view.status.classList.add("nlpx-mask-status");

  function showRow() {
    const row = shown.preview >= 0 ? shown.preview : marked();
    const entry = marked() >= 0 ? marked() : shown.entry;
    grids.forEach(({ rows }, place) => rows.forEach(({ line, name }, i) => {
      line.classList.toggle("nlpx-mask-row", i === row);
      if (place) return;
      name.setAttribute("aria-pressed", String(i === marked()));
      name.tabIndex = i === entry ? 0 : -1;
    }));
    view.say(row < 0 ? overallWords(tokens, shown.allowed, shown.weights)
      : queryWords(tokens, shown.allowed, shown.weights, row, padding()));
  }

  function showCell({ cell, number }, kind, value, may) {
    const [fill, ink] = value === -Infinity ? ["", ""] : colour(kind, value);
    cell.style.setProperty("--nlpx-mask-fill", fill);
    cell.style.setProperty("--nlpx-mask-ink", ink);
    cell.classList.toggle("nlpx-forbidden", !may);
    number.textContent = brief(value);
    cell.setAttribute("data-value", value === -Infinity ? "-Infinity" : value.toPrecision(9));
    if (may) cell.removeAttribute("aria-label");
    else cell.setAttribute("aria-label", `${brief(value)}, forbidden`);
  }

  function redraw() {
    const way = model.get("method");
    shown.allowed = allowedPairs(count, padding(), model.get("causal"));
    const { between, weights } = maskSteps(scores, shown.allowed, way);
    shown.weights = weights;
    const kinds = ["score", way === "zero-weights" ? "weight" : "score", "weight"];
    const { sums } = measure(weights, shown.allowed);
    [scores, between, weights].forEach((values, place) => {
      const { caption, head, rows } = grids[place];
      caption.textContent = CAPTIONS[way][place];
      head.forEach((cell, j) => cell.classList.toggle("nlpx-padded", j >= count - padding()));
      rows.forEach(({ cells, sum, name }, i) => {
        name.classList.toggle("nlpx-padded", i >= count - padding());
        cells.forEach((cell, j) => showCell(cell, kinds[place], values[i][j],
          shown.allowed[i][j]));
        if (!sum) return;
        sum.textContent = fixed(sums[i]);
        sum.setAttribute("data-value", sums[i].toPrecision(9));
        sum.classList.toggle("nlpx-mask-short", Math.abs(sums[i] - 1) >= WHOLE);
      });
    });
    pads.show(padding());
    later.show(model.get("causal") ? "hidden" : "visible");
    method.show(way);
    showRow();
  }

  // A keyboard's mark must not be taken back by a resting pointer.
  figure.addEventListener("pointermove", (event) => {
    const { clientX: x, clientY: y } = event;
    if (shown.pointer && shown.pointer.x === x && shown.pointer.y === y) return;
    shown.pointer = { x, y };
    const over = event.target.closest("[data-row]");
    shown.preview = over ? over.dataset.row - 1 : -1;
    showRow();
  });
  figure.addEventListener("pointerleave", () => { shown.preview = -1; showRow(); });
  figure.addEventListener("click", (event) => {
    const over = event.target.closest("[data-row]");
    if (over) toggle(over.dataset.row - 1);
  });
  figure.addEventListener("keydown", (event) => {
    const at = names.indexOf(event.target);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const from = marked() < 0 ? null : at; // the first arrow key marks where the focus is
    const moves = { ArrowUp: from === null ? at : at - 1, ArrowDown: from === null ? at : at + 1,
      Home: 0, End: count - 1, Escape: -1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    if (event.key === "Escape") mark(-1);
    else mark(clamp(moves[event.key], 0, count - 1));
    names[event.key === "Escape" ? at : marked()].focus();
  });

  const stopListening = listen(model, ["padding", "causal", "method"], redraw);
  const stopRow = listen(model, ["row"], showRow);
  redraw();
  const stopFollowing = followWidth(figure, () => { // side by side if there is room, else stacked
    figure.classList.remove("nlpx-mask-stacked");
    figure.classList.toggle("nlpx-mask-stacked", figure.scrollWidth > figure.clientWidth);
  });
  return () => { stopListening(); stopRow(); stopFollowing(); };
}

export default { render };
