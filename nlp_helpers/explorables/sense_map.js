// ---- the computation: plain arrays in, plain arrays out ----

const NEIGHBOURS = 3;
const TIE = 1e-9; // of the largest squared distance: what a sum may differ by

const squared = (vector) => vector.reduce((sum, value) => sum + value * value, 0);

const minus = (a, b) => a.map((value, d) => value - b[d]);

const dot = (a, b) => a.reduce((sum, value, d) => sum + value * b[d], 0);

/** The sliders' positions scaled to sum 1; equal weights if all of them are 0. */
function weightsOf(sliders) {
  const total = sliders.reduce((sum, value) => sum + value, 0);
  return sliders.map((value) => total > 0 ? value / total : 1 / sliders.length);
}

/** sum_j weights[j] layers[j]: one vector per occurrence. */
function mix(layers, weights) {
  return layers[0].map((first, i) => first.map((_, d) =>
    layers.reduce((sum, layer, j) => sum + weights[j] * layer[i][d], 0)));
}

/** Eigenvalues and unit eigenvectors of a symmetric matrix, largest first (Jacobi's rotations). */
function eigen(matrix) {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const vectors = a.map((_, i) => a.map((__, j) => Number(i === j))); // one in each row
  const size = Math.sqrt(a.reduce((sum, row) => sum + squared(row), 0));
  for (let sweep = 0; sweep < 60; sweep += 1) {
    let off = 0;
    for (let p = 0; p < n; p += 1) for (let q = 0; q < p; q += 1) off += a[p][q] ** 2;
    if (Math.sqrt(off) <= 1e-15 * size) break;
    for (let p = 0; p < n; p += 1) {
      for (let q = p + 1; q < n; q += 1) {
        if (a[p][q] === 0) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const [c, s] = [1 / Math.hypot(t, 1), t / Math.hypot(t, 1)];
        for (const row of a) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
        for (const rows of [a, vectors]) {
          const [first, second] = [rows[p], rows[q]];
          rows[p] = first.map((value, d) => c * value - s * second[d]);
          rows[q] = first.map((value, d) => s * value + c * second[d]);
        }
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i] || i - j);
  return { values: order.map((i) => Math.max(0, a[i][i])), vectors: order.map((i) => vectors[i]) };
}

/**
 * The two axes turned (or mirrored) within their plane, so that they lie as near as possible to
 * the previous ones: the map does not flip while a slider moves. Without previous ones each axis
 * has the sign that makes its largest entry positive.
 */
function aligned(axes, previous) {
  if (!previous) {
    return axes.map((axis) => {
      const sign = axis.reduce((most, value) => Math.abs(value) > Math.abs(most) ? value : most, 0);
      return sign < 0 ? axis.map((value) => -value) : axis;
    });
  }
  const [[a, b], [c, d]] = previous.map((old) => axes.map((axis) => dot(old, axis)));
  const turn = a * d - b * c >= 0;
  const [x, y] = turn ? [a + d, b - c] : [a - d, b + c];
  const length = Math.hypot(x, y);
  const [cos, sin] = length > 1e-12 ? [x / length, y / length] : [1, 0];
  const rotation = turn ? [[cos, sin], [-sin, cos]] : [[cos, sin], [sin, -cos]];
  return rotation.map(([u, v]) => axes[0].map((value, k) => u * value + v * axes[1][k]));
}

/**
 * The plane of the two principal components, the vectors in it, the share of the variance that it
 * holds, and the spread: the root mean square distance from the mean.
 */
function flatten(vectors, previous) {
  const n = vectors.length;
  const mean = vectors[0].map((_, d) => vectors.reduce((sum, one) => sum + one[d], 0) / n);
  const centred = vectors.map((one) => minus(one, mean));
  const same = vectors.every((one) => squared(minus(one, vectors[0])) === 0);
  if (same) {
    const axes = previous || [0, 1].map((k) => mean.map((_, d) => Number(d === k)));
    return { axes, points: vectors.map(() => [0, 0]), share: 1, spread: 0, same };
  }
  const covariance = mean.map((_, p) => mean.map((__, q) =>
    centred.reduce((sum, one) => sum + one[p] * one[q], 0) / n));
  const { values, vectors: principal } = eigen(covariance);
  const axes = aligned(principal.slice(0, 2), previous);
  const total = values.reduce((sum, value) => sum + value, 0);
  return { axes, points: centred.map((one) => axes.map((axis) => dot(one, axis))),
    share: (values[0] + values[1]) / total, spread: Math.sqrt(total), same };
}

/**
 * The sense of the nearest centroid for each occurrence; the centroids are made without it. A
 * sense of which nothing is left has none. Of senses that tie, the first counts: they are ordered
 * by frequency, so vectors that are all the same reach exactly the majority baseline.
 */
function nearestCentroids(vectors, senses, nSenses) {
  const moved = vectors.map((one) => minus(one, vectors[0]));
  const zero = moved[0].map(() => 0);
  const counts = Array(nSenses).fill(0);
  const sums = Array.from({ length: nSenses }, () => zero);
  moved.forEach((one, i) => {
    counts[senses[i]] += 1;
    sums[senses[i]] = sums[senses[i]].map((value, d) => value + one[d]);
  });
  const slack = TIE * Math.max(...moved.map(squared));
  return moved.map((one, i) => {
    const distances = counts.map((count, k) => {
      const own = senses[i] === k;
      const left = count - Number(own);
      if (!left) return Infinity;
      return squared(sums[k].map((value, d) => one[d] - (own ? value - one[d] : value) / left));
    });
    const least = Math.min(...distances);
    return distances.findIndex((distance) => distance <= least + slack);
  });
}

/** The indices of the nearest other vectors, the earlier one first where two are as near. */
function nearest(vectors, i) {
  return vectors.map((one, j) => [squared(minus(one, vectors[i])), j]).filter(([, j]) => j !== i)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, NEIGHBOURS).map(([, j]) => j);
}

/** Lists of occurrences that have the same vector. */
function samePlaces(vectors) {
  const places = new Map();
  vectors.forEach((one, i) => {
    const key = one.join(" ");
    places.set(key, [...(places.get(key) || []), i]);
  });
  return [...places.values()].filter((place) => place.length > 1);
}

/**
 * All that the figure shows of a word at some positions of the sliders. `layers` is
 * [layer][occurrence][dimension], `senses` an index for each occurrence, `previous` the two axes of
 * the map before, or null.
 */
function computeMap({ layers, senses, nSenses, sliders, previous }) {
  const weights = weightsOf(sliders);
  const mixture = mix(layers, weights);
  const named = nearestCentroids(mixture, senses, nSenses);
  const right = named.filter((sense, i) => sense === senses[i]).length;
  const majority = senses.filter((sense) => sense === 0).length; // the most frequent comes first
  return { weights, mixture, named, right, majority, total: senses.length,
    accuracy: right / senses.length, baseline: majority / senses.length,
    neighbours: mixture.map((_, i) => nearest(mixture, i)), places: samePlaces(mixture),
    ...flatten(mixture, previous) };
}

const numbersOf = (line, width) => {
  const flat = line.split(" ").map(Number);
  return Array.from({ length: flat.length / width },
    (_, i) => flat.slice(i * width, (i + 1) * width));
};

// ---- the words ----

function describe(word, map, sliders) {
  const zero = sliders.every((value) => value === 0)
    ? "All sliders are at 0, so the weights are equal. " : "";
  if (map.same) {
    return `${zero}At these weights all ${map.total} occurrences of ${word.word} are the same `
      + `vector: every distance is a tie, and the tie goes to ${word.senses[0]}. ${map.right} of ${
        map.total} come out right; always saying ${word.senses[0]} gets ${map.majority}.`;
  }
  return `${zero}At the weights ${map.weights.map((weight) => fixed(weight)).join(", ")} the `
    + `nearest centroid names the sense of ${map.right} of ${map.total} occurrences of ${
      word.word}; always saying ${word.senses[0]} gets ${map.majority}.`;
}

const sentenceOf = (occurrence) => occurrence.words.map((word, k) => [
  k ? " " : "",
  k === occurrence.position ? make("strong", { class: "nlpx-sm-word" }, word) : word,
]).flat();

/** ["24 bank/money", "16 bank/river"]. */
const countsOf = (word, place) => word.senses.map((sense, k) => [sense,
  place.filter((i) => word.occurrences[i].sense === k).length])
  .filter(([, count]) => count).map(([sense, count]) => `${count} ${sense}`);

// ---- the drawing ----

const SHAPES = ["M0-6.2A6.2 6.2 0 1 1 0 6.2A6.2 6.2 0 1 1 0-6.2Z", "M-5.6-5.6H5.6V5.6H-5.6Z",
  "M0-7.4L7 5.2H-7Z", "M0-8L8 0L0 8L-8 0Z", "M0 7.4L7-5.2H-7Z",
  "M-2.2-7H2.2V-2.2H7V2.2H2.2V7H-2.2V2.2H-7V-2.2H-2.2Z"];
const MARGIN = 20;
const HIT = 11;

const glyph = (sense, wrong) => draw("svg", { class: "nlpx-swatch nlpx-sm-glyph",
  viewBox: "-9 -9 18 18", width: 18, height: 18, "aria-hidden": "true" },
draw("path", { class: `nlpx-sm-shape nlpx-sm-sense${sense}${wrong ? " nlpx-sm-wrong" : ""}`,
  d: SHAPES[sense] }));

const moveTo = ([x, y]) => `translate(${x.toFixed(2)} ${y.toFixed(2)})`;

/** The points of a word; `place(map, radius)` puts them where a map has them. */
function drawScatter({ width, height, word, click, focus }) {
  const svg = draw("svg", { class: "nlpx-sm-map", viewBox: `0 0 ${width} ${height}`, width, height,
    role: "group", "aria-label": `Map of the ${word.occurrences.length} occurrences of ${word.word}`
      + ". Left and right arrow keys go through them from left to right, up and down from bottom "
      + "to top, escape takes the mark away." });
  const [lines, points, badges] = ["lines", "points", "badges"].map((kind) => {
    const group = draw("g", { class: `nlpx-sm-${kind}` });
    svg.append(group);
    return group;
  });
  const marks = word.occurrences.map((occurrence, i) => {
    const ring = draw("rect", { class: "nlpx-sm-ring", x: -HIT, y: -HIT, width: 2 * HIT,
      height: 2 * HIT, rx: HIT });
    const shape = draw("path", { class: `nlpx-sm-shape nlpx-sm-sense${occurrence.sense}`,
      d: SHAPES[occurrence.sense] });
    const group = draw("g", { class: "nlpx-sm-point", role: "button", tabindex: -1,
      "data-place": i + 1, "aria-pressed": "false",
      on: { click: () => click(i), focus: () => focus(i) } }, ring, shape);
    points.append(group);
    return { group, shape };
  });
  const at = (map, radius) => {
    const unit = (Math.min(width, height) / 2 - MARGIN) / (radius || 1);
    return map.points.map(([x, y]) => [width / 2 + unit * x, height / 2 - unit * y]);
  };
  let spots = [];

  function badge(place, whole) {
    const [x, y] = spots[place[0]];
    const senses = new Set(place.map((i) => word.occurrences[i].sense));
    const mixed = senses.size > 1;
    const [left, top] = mixed ? [x, y] : [x + 9, y - 9];
    const digits = String(place.length).length;
    const size = mixed ? 9 + 3 * digits : 5 + 2.5 * digits;
    const group = draw("g", { class: `nlpx-sm-badge${mixed ? " nlpx-sm-mixed" : ""}`,
      "aria-hidden": "true", "data-count": place.length },
    draw("circle", { cx: left, cy: top, r: size }),
    draw("text", { class: "nlpx-number nlpx-sm-count", x: left, y: top + 4,
      "text-anchor": "middle" }, String(place.length)));
    if (whole) {
      const said = [`all ${place.length} occurrences`, "are the same vector",
        ...countsOf(word, place)];
      said.forEach((text, k) => group.append(draw("text", { x, y: y + 44 + 19 * k,
        class: k < 2 ? "nlpx-sm-said nlpx-strong" : "nlpx-sm-said nlpx-quiet",
        "text-anchor": "middle" }, text)));
    }
    return group;
  }

  function place(map, radius) {
    spots = at(map, radius);
    const hidden = new Set(map.places.filter((group) => new Set(group.map(
      (i) => word.occurrences[i].sense)).size > 1).flat());
    marks.forEach(({ group, shape }, i) => {
      group.setAttribute("transform", moveTo(spots[i]));
      group.dataset.x = map.points[i][0].toPrecision(9);
      group.dataset.y = map.points[i][1].toPrecision(9);
      group.classList.toggle("nlpx-sm-under", hidden.has(i));
      const { sense, words } = word.occurrences[i];
      const wrong = map.named[i] !== sense;
      shape.classList.toggle("nlpx-sm-wrong", wrong);
      group.setAttribute("aria-label", `${word.senses[sense]}: ${words.join(" ")}. The nearest `
        + `centroid says ${word.senses[map.named[i]]}, ${wrong ? "wrong" : "right"}.`);
    });
    badges.replaceChildren(...map.places.map((group) => badge(group, map.same)));
  }

  function join(i, others) {
    lines.replaceChildren(...others.map((j) => draw("line", { class: "nlpx-sm-line",
      x1: spots[i][0], y1: spots[i][1], x2: spots[j][0], y2: spots[j][1], "data-to": j + 1 })));
    marks.forEach(({ group }, k) => {
      group.classList.toggle("nlpx-sm-marked", k === i);
      group.classList.toggle("nlpx-sm-near", others.includes(k));
    });
  }
  return { svg, marks, place, join };
}

function render({ model, el }) {
  const width = model.get("n_dimensions");
  const names = model.get("layer_names");
  const words = model.get("words").map((one) => {
    const layers = one.layers.map((line) => numbersOf(line, width));
    const senses = one.occurrences.map(({ sense }) => sense);
    const nSenses = one.senses.length;
    const alone = names.map((_, j) => computeMap({ layers, senses, nSenses, previous: null,
      sliders: names.map((__, k) => Number(j === k)) }));
    // of the widest layer, so that one scale holds for all weights
    const radius = Math.max(...alone.flatMap(({ points }) => points.map(([x, y]) =>
      Math.hypot(x, y))));
    const spreads = alone.map(({ spread }) => spread);
    const widest = spreads.indexOf(Math.max(...spreads));
    return { ...one, numbers: layers, indices: senses, nSenses, radius, widest,
      spread: spreads[widest], axes: null };
  });
  const shown = { preview: null, pointer: null, width: 0, height: 0, picture: null, drawn: null,
    map: null, timer: 0 };
  const word = () => words[model.get("word")];
  const sliders = () => model.get("sliders");
  const picked = () => Math.min(model.get("marked"), word().occurrences.length) - 1;
  const mark = () => shown.preview === null ? picked() : shown.preview;

  function pick(i) {
    shown.preview = null;
    update(model, { marked: i + 1 });
    showMark();
  }
  function choose(k) {
    shown.preview = null;
    update(model, { marked: 0, word: k });
  }

  // controls
  const wordChoice = choice(model, { legend: "Word", value: String(model.get("word")),
    options: words.map((one, k) => [String(k), one.word]),
    onChange: (key) => choose(Number(key)) });
  const controls = names.map((name, j) => {
    const control = slider(model, { label: [indexed("s", j), ` ${name}`], min: 0, max: 1,
      step: 0.01, value: sliders()[j], write: (value) => fixed(value),
      onInput: (value) => update(model,
        { sliders: sliders().map((old, k) => k === j ? value : old) }) });
    control.node.classList.add("nlpx-sm-slider", j ? "nlpx-sm-upper" : "nlpx-sm-lowest");
    const weight = make("span", { class: "nlpx-sm-weight" });
    control.node.append(weight);
    return { ...control, weight };
  });
  const presets = [
    ...names.map((_, j) => button(`layer ${j} only`, () => update(model,
      { sliders: names.map((__, k) => Number(k === j)) }))),
    button("equal", () => update(model, { sliders: names.map(() => 1) }))];
  const scale = choice(model, { legend: "Scale", value: String(model.get("fit")),
    options: [["true", "fit the points"], ["false", "one for all weights"]],
    onChange: (key) => update(model, { fit: key === "true" }) });

  // the numbers
  const meter = (label, kind) => {
    const value = make("strong", { class: "nlpx-number" });
    const counts = make("span", { class: "nlpx-note nlpx-number" });
    const bar = make("span", { class: "nlpx-sm-fill" });
    const node = make("div", { class: `nlpx-sm-meter nlpx-sm-${kind}` },
      make("span", { class: "nlpx-sm-label" }, label), value,
      make("span", { class: "nlpx-sm-track", "aria-hidden": "true" }, bar), counts);
    const show = (count, total) => {
      value.textContent = fixed(count / total, 3);
      value.dataset.value = count / total;
      counts.textContent = `${count} of ${total}`;
      bar.style.width = `${(100 * count) / total}%`;
    };
    return { node, show };
  };
  const accuracy = meter("sense accuracy", "accuracy");
  const baseline = meter("majority baseline", "baseline");

  // the map
  const legend = make("ul", { class: "nlpx-legend nlpx-sm-legend" });
  const picture = make("div", { class: "nlpx-figure nlpx-sm-picture" });
  const plane = make("p", { class: "nlpx-note nlpx-sm-plane" });
  const details = make("div", { class: "nlpx-sm-details" });
  const kept = make("p", { class: "nlpx-note nlpx-sm-kept" });
  const view = frame(model, el, "Which layer knows the sense?",
    wordChoice.node,
    make("div", { class: "nlpx-sm-controls" },
      make("div", { class: "nlpx-sm-sliders" }, controls.map(({ node }) => node),
        make("div", { class: "nlpx-field nlpx-sm-presets", role: "group",
          "aria-label": "Set the weights to" }, presets)),
      make("div", { class: "nlpx-sm-meters" }, accuracy.node, baseline.node)),
    make("div", { class: "nlpx-sm-parts" },
      make("div", { class: "nlpx-sm-part" }, legend, picture, plane, scale.node), details),
    kept,
    make("p", { class: "nlpx-note" },
      "Each point is one occurrence of the word: the sum of its layers\u2019 vectors, each "
      + "times its weight. The weights are the sliders\u2019 positions scaled to sum 1; in ELMo "
      + "they are learned for each task. Accuracy: each occurrence in turn gets the sense "
      + "of the nearest centroid, the mean of the other occurrences of a sense; a tie goes "
      + "to the most frequent sense. The map is turned so that it stays in place while the "
      + "weights change."));
  view.node.querySelector(".nlpx-sm-parts").before(view.status);
  view.status.classList.add("nlpx-sm-status");

  /** A moving slider must not make a screen reader talk: the sentence waits until it rests. */
  function saySoon() {
    const say = () => view.say(describe(word(), shown.map, sliders()));
    clearTimeout(shown.timer);
    if (view.status.textContent) shown.timer = setTimeout(say, 450);
    else say();
  }

  /** The occurrence that the tab key reaches. */
  const entry = () => shown.picture.marks[Math.max(0, picked())].group;

  function showWord() {
    shown.drawn = model.get("word");
    const one = word();
    legend.replaceChildren(
      ...one.senses.map((sense, k) => make("li", {}, glyph(k), make("span", {}, sense))),
      make("li", { class: "nlpx-sm-any" }, glyph(0, true),
        make("span", {}, "hollow: the nearest centroid is of another sense")));
    kept.textContent = `The vectors of ${one.word} are given in ${width} dimensions, which hold ${
      one.kept.map((share) => fixed(share)).join(", ")} of the variance of layers 0 to ${
      names.length - 1}.`;
    const hadFocus = picture.contains(el.getRootNode().activeElement);
    shown.picture = drawScatter({ width: shown.width || 420, height: shown.height || 420,
      word: one, click: pick, focus: (i) => { if (model.get("marked") !== i + 1) pick(i); } });
    picture.replaceChildren(shown.picture.svg);
    if (hadFocus) entry().focus({ preventScroll: true });
  }

  function showMap() {
    const one = word();
    shown.map = computeMap({ layers: one.numbers, senses: one.indices, nSenses: one.nSenses,
      sliders: sliders(), previous: one.axes });
    one.axes = shown.map.axes;
    const { points, weights, same, share, spread, right, majority, total } = shown.map;
    const widest = Math.max(...points.map(([x, y]) => Math.hypot(x, y)));
    shown.picture.place(shown.map, model.get("fit") ? widest : Math.max(widest, one.radius));
    controls.forEach(({ show, input, weight }, j) => {
      show(sliders()[j]);
      input.setAttribute("aria-valuetext",
        `${fixed(sliders()[j])}, weight ${fixed(weights[j])}`);
      weight.textContent = `\u2192 weight ${fixed(weights[j])}`;
      weight.dataset.value = weights[j];
    });
    accuracy.show(right, total);
    baseline.show(majority, total);
    plane.textContent = same ? "The spread is 0: there is no direction to show."
      : `The spread is ${fixed(spread / one.spread)} of that of layer ${one.widest} alone; the `
        + `map\u2019s two directions hold ${fixed(share)} of the variance.`;
    saySoon();
  }

  const row = (i, ...before) => [glyph(word().occurrences[i].sense), ...before,
    make("span", { class: "nlpx-sm-sentence" }, sentenceOf(word().occurrences[i]))];

  function showMark() {
    const i = mark();
    const { neighbours, named, places, same, total } = shown.map;
    shown.picture.marks.forEach(({ group }, k) => {
      group.setAttribute("aria-pressed", String(picked() === k));
      group.setAttribute("tabindex", group === entry() ? 0 : -1);
    });
    if (i < 0) {
      shown.picture.join(-1, []);
      details.replaceChildren(make("p", { class: "nlpx-note" }, "Point at an occurrence, or go "
        + "through them with the arrow keys, to read its sentence and those of its three nearest "
        + "neighbours."));
      return;
    }
    const { sense } = word().occurrences[i];
    const others = same ? [] : neighbours[i];
    shown.picture.join(i, others);
    const here = places.find((place) => place.includes(i));
    const wrong = named[i] !== sense;
    details.replaceChildren(
      make("p", { class: "nlpx-sm-own" }, glyph(sense),
        make("strong", {}, word().senses[sense])),
      make("p", { class: "nlpx-sm-sentence" }, sentenceOf(word().occurrences[i])),
      make("p", { class: "nlpx-note" }, `Nearest centroid: ${word().senses[named[i]]}, `,
        make("span", { class: wrong ? "nlpx-sm-no" : "nlpx-sm-yes" },
          wrong ? "\u2717 wrong" : "\u2713 right"),
        here && !same ? `. ${here.length} occurrences have this vector.` : "."),
      make("p", { class: "nlpx-sm-heading" }, "Nearest neighbours"),
      same ? make("p", { class: "nlpx-note" }, `None: all ${total} occurrences are the same `
        + "vector, so no other one is nearer than the rest.")
        : make("ol", { class: "nlpx-sm-near-list" }, others.map((j) => make("li", {},
          make("button", { type: "button", class: "nlpx-sm-neighbour", "data-place": j + 1,
            on: { click: () => { pick(j); entry().focus({ preventScroll: true }); } } },
          row(j, make("span", { class: "nlpx-sm-hidden" }, `${
            word().senses[word().occurrences[j].sense]}: `)))))));
  }

  function redraw() {
    wordChoice.show(String(model.get("word")));
    scale.show(String(model.get("fit")));
    if (shown.drawn !== model.get("word")) showWord();
    showMap();
    showMark();
  }

  // pointer and keys
  const look = (found) => {
    if (found === shown.preview) return;
    shown.preview = found;
    showMark();
  };
  picture.addEventListener("pointermove", (event) => {
    // A keyboard's mark must not be taken back by a resting pointer.
    const { clientX: x, clientY: y } = event;
    if (shown.pointer && shown.pointer.x === x && shown.pointer.y === y) return;
    shown.pointer = { x, y };
    const over = event.target.closest("[data-place]");
    look(over ? over.dataset.place - 1 : null);
  });
  picture.addEventListener("pointerleave", () => look(null));
  picture.addEventListener("click", (event) => {
    if (!event.target.closest("[data-place]")) pick(-1);
  });
  picture.addEventListener("keydown", (event) => {
    const from = event.target.closest("[data-place]");
    if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
    const { points } = shown.map;
    const axis = ["ArrowUp", "ArrowDown"].includes(event.key) ? 1 : 0;
    const order = points.map((_, i) => i)
      .sort((i, j) => points[i][axis] - points[j][axis] || i - j);
    const at = order.indexOf(from.dataset.place - 1);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, Home: 0,
      End: order.length - 1, Enter: at, " ": at }[event.key];
    if (event.key === "Escape") pick(-1);
    else if (to === undefined) return;
    else pick(order[clamp(to, 0, order.length - 1)]);
    event.preventDefault();
    if (event.key !== "Escape") entry().focus({ preventScroll: true });
  });

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["word", "sliders", "marked", "fit"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopFollowing = followWidth(picture, (found) => {
    shown.width = found;
    shown.height = Math.min(found, 460);
    showWord();
    showMap();
    showMark();
  });
  return () => { clearTimeout(shown.timer); stopListening(); stopFollowing(); };
}

export default { render };
