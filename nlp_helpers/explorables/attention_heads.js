// ---- the weights of a head, and what is measured in them ----

const KINDS = {
  encoder: { label: "encoder: letters to letters", queries: "source", keys: "source" },
  decoder: { label: "decoder: phonemes to earlier phonemes", queries: "target", keys: "target" },
  cross: { label: "cross: phonemes to letters", queries: "target", keys: "source" },
};

const masked = (kind, i, j) => kind === "decoder" && j > i;

const sum = (values) => values.reduce((total, value) => total + value, 0);

const mean = (values) => values.length ? sum(values) / values.length : null;

/** The weights [query][key] of one head; what the decoder's mask hides is 0. */
function weightsOfHead(item, kind, layer, head) {
  const numbers = item[kind][layer][head].split(" ").map(Number);
  const { queries, keys } = KINDS[kind];
  let next = 0;
  return item[queries].map((_, i) => item[keys].map((__, j) =>
    masked(kind, i, j) ? 0 : numbers[next++]));
}

/** The weights of one head, or for the index after the last the mean of the layer's heads. */
function weightsOf(item, kind, layer, head) {
  const heads = item[kind][layer].length;
  if (head < heads) return weightsOfHead(item, kind, layer, head);
  const all = item[kind][layer].map((_, h) => weightsOfHead(item, kind, layer, h));
  return all[0].map((row, i) => row.map((_, j) => mean(all.map((one) => one[i][j]))));
}

/** The entropy of weights in bits, scaled to sum to 1 (they are kept with two decimals). */
function entropy(weights) {
  const total = sum(weights);
  return -sum(weights.filter((weight) => weight > 0)
    .map((weight) => (weight / total) * Math.log2(weight / total)));
}

/** The mean weight on some positions (null where no query has such a key) and the mean entropy. */
function measure(weights, kind) {
  const along = (offset) => mean(weights.map((row, i) => row[i + offset])
    .filter((weight) => weight !== undefined));
  const open = (i) => weights[i].filter((_, j) => !masked(kind, i, j)).length;
  return {
    own: along(0),
    before: along(-1),
    after: kind === "decoder" ? null : along(1),
    start: kind === "decoder" ? mean(weights.slice(1).map((row) => row[0])) : null,
    entropy: mean(weights.map(entropy)),
    most: mean(weights.map((_, i) => Math.log2(open(i)))),
  };
}

// ---- sentences about them ----

const at = (list, k) => `${named(list, k)} (position ${k + 1})`;

/** "layer 2, head 1", or for the mean "layer 2, averaged over the heads". */
function headWords(layer, head, heads) {
  return `layer ${layer + 1}, ${head < heads ? `head ${head + 1}` : "averaged over the heads"}`;
}

/** What the decoder has read and what it predicts at a position. */
function readWords(item, k) {
  const read = item.target.slice(0, k + 1);
  return `, where ${joined(read)} ${read.length > 1 ? "have" : "has"} been read and ${
    item.predicted[k]} will be written,`;
}

function queryWords(item, kind, weights, place, where) {
  const queries = item[KINDS[kind].queries];
  const keys = item[KINDS[kind].keys];
  const subject = `In ${where}, the query at ${at(queries, place)}${
    kind === "encoder" ? "" : readWords(item, place)}`;
  const found = noticed(weights[place]);
  if (!found.length) {
    const best = largest(weights[place]);
    return `${subject} reads no key in particular: the largest weight is ${
      fixed(weights[place][best])}, on ${named(keys, best)}.`;
  }
  const rest = sum(weights[place].filter((weight) => weight < NOTICED));
  return `${subject} reads ${withWeights(keys, found)}${
    rest >= SPREAD ? `; ${fixed(rest)} is spread over the others` : ""}.`;
}

function keyWords(item, kind, weights, place, where) {
  const queries = item[KINDS[kind].queries];
  const subject = `the key at ${at(item[KINDS[kind].keys], place)}`;
  const down = weights.map((row) => row[place]);
  const found = noticed(down);
  if (!found.length) {
    const best = largest(down);
    return `In ${where}, no query gives ${subject} a weight of ${fixed(NOTICED)} or more: the `
      + `largest is ${fixed(down[best])}, from ${named(queries, best)}.`;
  }
  return `In ${where}, ${subject} is read by ${withWeights(queries, found)}; its weights from all `
    + `queries sum to ${fixed(sum(down))}.`;
}

/** What a head does with the whole word, in one sentence. */
function summaryWords(kind, weights, where) {
  const found = measure(weights, kind);
  const own = kind === "cross" ? "the letter at its own position" : "its own position";
  let shares = `${fixed(found.own)} of its weight on ${own}`;
  if (kind === "decoder" && found.before !== null) {
    shares += ` and, from position 2 on, ${fixed(found.before)} on the one before and ${
      fixed(found.start)} on start`;
  } else {
    const others = [["before", found.before], ["after", found.after]]
      .filter(([, weight]) => weight !== null)
      .map(([side, weight]) => `${fixed(weight)} on the one ${side}`);
    if (others.length) shares = `${joined([shares, ...others])}, where there is one`;
  }
  return `${capital(where)}: on average a query puts ${shares}; the mean `
    + `entropy is ${fixed(found.entropy, 1)} bits, of at most ${fixed(found.most, 1)}.`;
}

// ---- the drawing ----

const COLUMN = { head: 26, tile: 28, slot: 34 };
const ROOMY = { letter: 9.1, number: 37, pad: 9, gap: 18, between: 84 };
const TIGHT = { letter: 8.5, number: 33, pad: 7, gap: 14, between: 36 }; // on a small phone

/** Queries on the left, keys on the right, and a line for every weight. */
function drawColumns({ width, item, kind, weights, click, focus }) {
  const rows = { query: item[KINDS[kind].queries], key: item[KINDS[kind].keys] };
  const tight = width < 330;
  const { letter, number: margin, pad, gap, between } = tight ? TIGHT : ROOMY;
  const longest = (list) => Math.max(...list.map((text) => text.length)) * letter;
  const next = kind === "encoder" ? null : longest(rows.query) + gap;
  const wide = { query: Math.max(40, longest(rows.query) + 2 * pad),
    key: Math.max(40, longest(rows.key) + 2 * pad) };
  if (next) wide.query = next + longest(item.predicted) + 2 * letter + pad;
  const free = clamp(width - 2 * margin - wide.query - wide.key, between, 220);
  const left = { query: margin, key: margin + wide.query + free };
  const total = left.key + wide.key + margin;
  const height = COLUMN.head + COLUMN.slot * Math.max(rows.query.length, rows.key.length);
  const middle = (k) => COLUMN.head + COLUMN.slot * (k + 0.5);
  const svg = draw("svg", { class: `nlpx-heads-columns${tight ? " nlpx-heads-tight" : ""}`,
    viewBox: `0 0 ${total} ${height}`,
    width: total, height, role: "group", "aria-label": "Queries on the left, keys on the right. "
      + "Up and down arrow keys move along a column, left and right go to the strongest partner "
      + "in the other column, escape takes the mark away." });
  for (const side of ["query", "key"]) {
    svg.append(draw("text", { class: `nlpx-heads-${side}-title`, x: left[side] + wide[side] / 2,
      y: 14, "text-anchor": "middle" }, side === "query" ? "query" : "key"));
  }
  const lines = weights.map((row, i) => row.map((weight, j) => {
    if (masked(kind, i, j)) return null;
    const line = draw("line", { class: "nlpx-heads-line", x1: left.query + wide.query + 1,
      y1: middle(i), x2: left.key - 1, y2: middle(j),
      "stroke-width": (0.6 + 7 * weight).toFixed(2) });
    svg.append(line);
    return line;
  }));
  const tile = (side, text, k, count) => {
    const y = middle(k);
    const box = draw("rect", { class: "nlpx-heads-box", x: left[side], y: y - COLUMN.tile / 2,
      width: wide[side], height: COLUMN.tile, rx: 6 });
    const predicts = side === "query" && next ? item.predicted[k] : null;
    const word = predicts === null
      ? draw("text", { class: "nlpx-heads-token", x: left[side] + wide[side] / 2, y: y + 5,
        "text-anchor": "middle" }, text)
      : draw("text", { class: "nlpx-heads-token", y: y + 5 },
        draw("tspan", { x: left.query + pad }, text),
        draw("tspan", { class: "nlpx-heads-next", x: left.query + next }, `\u2192 ${predicts}`));
    const number = draw("text", { class: "nlpx-number nlpx-heads-weight", "aria-hidden": "true",
      "data-weight-of": side, y: y + 4, "text-anchor": side === "query" ? "end" : "start",
      x: side === "query" ? left.query - 5 : left.key + wide.key + 5 });
    const group = draw("g", { class: `nlpx-heads-tile nlpx-heads-${side}`, role: "button",
      tabindex: -1, "data-side": side, "data-place": k + 1, "aria-pressed": "false",
      on: { click: () => click(side, k), focus: () => focus(side, k) } }, box, word);
    svg.append(group, number);
    return { group, box, word, number, label: `${side} ${text}${
      predicts === null ? "" : `, predicts ${predicts}`}, ${k + 1} of ${count}` };
  };
  const tiles = {};
  for (const side of ["query", "key"]) {
    tiles[side] = rows[side].map((text, k) => tile(side, text, k, rows[side].length));
  }
  return { svg, lines, tiles };
}

/** The weights as a table: keys across, queries down. */
function weightTable(item, kind, weights, colour) {
  const cells = [];
  const head = item[KINDS[kind].keys].map((text, j) =>
    make("th", { scope: "col", "data-side": "key", "data-place": j + 1 }, text));
  const rows = weights.map((row, i) => make("tr", {},
    make("th", { scope: "row", "data-side": "query", "data-place": i + 1 },
      item[KINDS[kind].queries][i], kind === "encoder" ? null
        : make("span", { class: "nlpx-heads-next" }, ` \u2192 ${item.predicted[i]}`)),
    row.map((weight, j) => {
      if (masked(kind, i, j)) return make("td", { class: "nlpx-heads-masked" });
      const [fill, ink] = colour(weight);
      const cell = make("td", { "data-side": "query", "data-place": i + 1,
        "data-value": weight.toFixed(4), style: `background:${fill};color:${ink}` },
        weight === 0 ? "0" : fixed(weight).replace(/^0/, ""));
      cells.push({ cell, i, j });
      return cell;
    })));
  const table = make("table", { class: "nlpx-heads-table" }, make("caption", {},
    "Attention weights"), make("thead", {}, make("tr", {}, make("td", {}), head)),
    make("tbody", {}, rows));
  return { table, cells, head, rows };
}

/** A small heat map: queries down, keys across, `side` pixels at most. */
function drawMap(weights, kind, colour, side) {
  const [high, wide] = [weights.length, weights[0].length];
  const fit = side / Math.max(high, wide);
  const size = fit < 3 ? fit : Math.floor(fit);
  return draw("svg", { class: "nlpx-heads-map", viewBox: `0 0 ${wide} ${high}`,
    width: size * wide, height: size * high, "aria-hidden": "true" },
    weights.flatMap((row, i) => row.map((weight, j) => masked(kind, i, j) ? null
      : draw("rect", { x: j, y: i, width: 1, height: 1, style: `fill:${colour(weight)[0]}` }))));
}

/** A button for every head: layers down, heads across, and at the end the mean of each layer. */
function drawOverview({ width, item, kind, colour, click }) {
  const heads = item[kind][0].length;
  const count = heads > 1 ? heads + 1 : heads;
  const side = clamp(Math.floor((width - 68) / count) - 13, 26, 76);
  const title = (head) => head < heads
    ? [make("span", { class: "nlpx-heads-wide" }, "head "), String(head + 1)] : ["mean"];
  const columns = Array.from({ length: count }, (_, head) => head);
  const buttons = item[kind].map((_, layer) => columns.map((head) => make("button", {
    type: "button", class: "nlpx-heads-button", tabindex: -1, "aria-label": head < heads
      ? `layer ${layer + 1}, head ${head + 1}` : `layer ${layer + 1}, mean of the heads`,
    "data-layer": layer, "data-head": head, on: { click: () => click(layer, head) } },
    drawMap(weightsOf(item, kind, layer, head), kind, colour, side))));
  const node = make("div", { class: "nlpx-heads-overview", role: "group",
    style: `grid-template-columns:auto repeat(${count},auto)`,
    "aria-label": "Layers and heads. Arrow keys move between them." },
    make("span", { class: "nlpx-heads-row", "aria-hidden": "true" },
      make("span", { class: "nlpx-heads-narrow" }, "head")),
    columns.map((head) => make("span", { class: "nlpx-heads-column", "aria-hidden": "true" },
      title(head))),
    buttons.map((row, layer) => [make("span", { class: "nlpx-heads-row", "aria-hidden": "true" },
      `layer ${layer + 1}`), ...row]).flat());
  return { node, buttons };
}

const NOTES = {
  encoder: "Queries and keys are the letters of the word: every letter may read every letter.",
  decoder: "A query sits where a phoneme has been read; behind its arrow stands what is predicted "
    + "there. Keys are the phonemes read so far: what is later is masked, so its cells are empty.",
  cross: "A query sits where a phoneme has been read; behind its arrow stands what is predicted "
    + "there. Keys are the letters of the word.",
};

function render({ model, el }) {
  const items = model.get("items");
  const scale = model.get("scale");
  const heads = items[0].encoder[0].length;
  const colour = (weight) => scale[Math.round(clamp(weight, 0, 1) * (scale.length - 1))];
  const shown = { map: "", head: "", preview: null, pointer: null, widths: { overview: 0,
    picture: 0 }, returning: false, overview: null, picture: null, table: null, weights: [] };

  const item = () => items[model.get("word")];
  const kind = () => model.get("kind");
  const where = () => headWords(model.get("layer"), model.get("head"), heads);
  const picked = () => {
    const side = model.get("side");
    const row = item()[KINDS[kind()][side === "key" ? "keys" : "queries"]];
    return { side, place: Math.min(model.get("place"), row.length - 1) };
  };
  const mark = () => shown.preview || picked();
  const pick = (side, place) => {
    shown.preview = null;
    update(model, { place: side ? place : 0, side });
    showMark();
  };

  // controls
  const wordId = freshId(model);
  const words = make("select", { id: wordId, class: "nlpx-heads-words",
    on: { change: () => update(model, { side: "", place: 0, word: Number(words.value) }) } },
    items.map((one, k) => make("option", { value: k }, one.word)));
  const kinds = choice(model, { legend: "Attention", value: kind(),
    options: Object.entries(KINDS).map(([key, { label }]) => [key, label]),
    onChange: (key) => update(model, { side: "", place: 0, kind: key }) });
  const spelling = make("p", { class: "nlpx-heads-spelling" });

  // the heads, and the chosen one
  const overview = make("div", { class: "nlpx-scroll nlpx-figure" });
  const heading = make("p", { class: "nlpx-heads-heading" });
  const picture = make("div", { class: "nlpx-scroll nlpx-figure", tabindex: -1 });
  const grid = make("div", { class: "nlpx-scroll nlpx-figure", tabindex: 0, role: "region",
    "aria-label": "Attention weights, keys across and queries down" });
  const ramp = make("div", { class: "nlpx-heads-ramp-row" }, make("span", {}, "attention weight"),
    make("span", { class: "nlpx-number" }, "0"),
    make("span", { class: "nlpx-heads-ramp", style: `background:linear-gradient(90deg,${
      scale.map(([fill]) => fill).join(",")})` }), make("span", { class: "nlpx-number" }, "1"));
  const note = make("p", { class: "nlpx-note" });
  const view = frame(model, el, "What does each head read?",
    make("div", { class: "nlpx-controls" },
      make("div", { class: "nlpx-field" }, make("label", { for: wordId }, "Word"), words, spelling),
      kinds.node),
    make("div", { class: "nlpx-heads-all" }, overview,
      make("div", { class: "nlpx-heads-legend" }, make("p", { class: "nlpx-note" },
        "In the small maps queries run down and keys across."), ramp, note)),
    heading,
    make("div", { class: "nlpx-heads-chosen" }, make("div", { class: "nlpx-panel" }, picture),
      make("div", { class: "nlpx-panel" }, grid)),
    make("p", { class: "nlpx-note" }, "Choose a head above; point at a tile or a weight, or go "
      + "through the tiles with the arrow keys. Each row of weights is one softmax over the keys "
      + "and sums to 1; a column may sum to anything. Weights are kept with two decimals."));
  heading.after(view.status);

  // drawing
  function showOverview() {
    const hadFocus = overview.contains(el.getRootNode().activeElement);
    shown.overview = drawOverview({ width: shown.widths.overview || 480, item: item(),
      kind: kind(), colour, click: (layer, head) => update(model, { layer, head }) });
    overview.replaceChildren(shown.overview.node);
    if (hadFocus) chosen().focus({ preventScroll: true });
  }

  /** The button of the chosen head. */
  function chosen() {
    const row = shown.overview.buttons[model.get("layer")];
    return row[Math.min(model.get("head"), row.length - 1)];
  }

  function showChosen() {
    shown.overview.buttons.flat().forEach((one) => {
      const pressed = one === chosen();
      one.setAttribute("aria-pressed", String(pressed));
      one.setAttribute("tabindex", pressed ? 0 : -1);
    });
  }

  function showPicture() {
    const hadFocus = picture.contains(el.getRootNode().activeElement);
    shown.picture = drawColumns({ width: shown.widths.picture || 380, item: item(), kind: kind(),
      weights: shown.weights, click: pick,
      focus: (side, k) => {
        const marked = model.get("side") === side && model.get("place") === k;
        if (!marked && !shown.returning) pick(side, k);
      } });
    picture.replaceChildren(shown.picture.svg);
    if (!hadFocus) return;
    shown.returning = true; // the focus comes back to a new tile: nobody has chosen it
    entry().focus({ preventScroll: true });
    shown.returning = false;
  }

  /** The tile that the tab key reaches. */
  function entry() {
    const { side, place } = picked();
    return shown.picture.tiles[side || "query"][place].group;
  }

  /** The weight between a tile and the marked one; null if there is none. */
  function weightOf(side, k) {
    const marked = mark();
    if (!marked.side || marked.side === side) return null;
    const [i, j] = side === "key" ? [marked.place, k] : [k, marked.place];
    return masked(kind(), i, j) ? null : shown.weights[i][j];
  }

  function showMark() {
    const { side, place } = mark();
    const weights = shown.weights;
    for (const row of ["query", "key"]) {
      shown.picture.tiles[row].forEach(({ group, box, word, number, label }, k) => {
        const weight = weightOf(row, k);
        const [fill, ink] = weight === null ? ["", ""] : colour(weight);
        box.style.fill = fill;
        word.style.fill = ink;
        number.textContent = weight === null ? "" : fixed(weight).replace(/^0/, "");
        group.setAttribute("aria-label",
          weight === null ? label : `${label}, weight ${fixed(weight)}`);
        group.classList.toggle("nlpx-heads-marked", side === row && place === k);
        group.setAttribute("aria-pressed",
          String(model.get("side") === row && model.get("place") === k));
        group.setAttribute("tabindex", group === entry() ? 0 : -1);
      });
    }
    shown.picture.lines.forEach((row, i) => row.forEach((line, j) => {
      if (!line) return;
      const other = (side === "query" && i !== place) || (side === "key" && j !== place);
      const weight = weights[i][j];
      const faint = side ? 0.1 : 0; // all lines at once: small weights must not add up to a fog
      line.style.strokeOpacity = other || weight < 0.01 ? 0
        : (faint + (1 - faint) * weight).toFixed(2);
    }));
    shown.table.cells.forEach(({ cell, i, j }) => {
      cell.classList.toggle("nlpx-heads-in-row", side === "query" && i === place);
      cell.classList.toggle("nlpx-heads-in-column", side === "key" && j === place);
    });
    shown.table.head.forEach((cell, j) =>
      cell.classList.toggle("nlpx-heads-strong", side === "key" && j === place));
    shown.table.rows.forEach((row, i) =>
      row.firstChild.classList.toggle("nlpx-heads-strong", side === "query" && i === place));
    view.say(side === "query" ? queryWords(item(), kind(), weights, place, where())
      : side === "key" ? keyWords(item(), kind(), weights, place, where())
        : summaryWords(kind(), weights, where()));
  }

  function showHead() {
    const layer = model.get("layer");
    const head = model.get("head");
    shown.weights = weightsOf(item(), kind(), layer, head);
    shown.preview = null;
    heading.textContent = `${capital(where())}: ${KINDS[kind()].label.split(": ")[1]}`;
    shown.table = weightTable(item(), kind(), shown.weights, colour);
    grid.replaceChildren(shown.table.table);
    showPicture();
  }

  function redraw() {
    const map = [model.get("word"), kind()].join(" ");
    const head = [map, model.get("layer"), model.get("head")].join(" ");
    if (shown.map !== map) {
      shown.map = map;
      words.value = String(model.get("word"));
      kinds.show(kind());
      spelling.replaceChildren("\u2192 ",
        make("span", { class: "nlpx-heads-sound" }, item().predicted.slice(0, -1).join(" ")));
      note.textContent = NOTES[kind()];
      showOverview();
    }
    if (shown.head !== head) {
      shown.head = head;
      showHead();
    }
    showChosen();
    showMark();
  }

  markByPointer({ picture, grid, shown, showMark, pick });
  overview.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0],
      ArrowDown: [1, 0] }[event.key];
    const from = event.target.closest("[data-head]");
    if (!by || !from || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { buttons } = shown.overview;
    update(model, { layer: clamp(Number(from.dataset.layer) + by[0], 0, buttons.length - 1),
      head: clamp(Number(from.dataset.head) + by[1], 0, buttons[0].length - 1) });
    redraw();
    chosen().focus({ preventScroll: false });
  });
  picture.addEventListener("keydown", (event) => {
    const from = event.target.closest("[data-side]");
    if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
    const side = from.dataset.side;
    const place = from.dataset.place - 1;
    const along = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const across = { ArrowLeft: "query", ArrowRight: "key" }[event.key];
    if (event.key === "Enter" || event.key === " ") pick(side, place);
    else if (along) pick(side, clamp(place + along, 0, shown.picture.tiles[side].length - 1));
    else if (across && across !== side) {
      pick(across, largest(side === "query" ? shown.weights[place]
        : shown.weights.map((row) => row[place])));
    } else if (!across) return;
    event.preventDefault();
    entry().focus({ preventScroll: false });
  });
  view.node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !mark().side) return;
    event.preventDefault();
    pick("", 0);
  });

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["word", "kind", "layer", "head", "side", "place"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopOverview = followWidth(overview, (width) => {
    shown.widths.overview = width;
    showOverview();
    showChosen();
  });
  const stopPicture = followWidth(picture, (width) => {
    shown.widths.picture = width;
    showPicture();
    showMark();
  });
  return () => { stopListening(); stopOverview(); stopPicture(); };
}

export default { render };
