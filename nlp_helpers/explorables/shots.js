// ---- the words ----

const shotsText = (k) => `${k} shot${k === 1 ? "" : "s"}`;

/** 0.45 -> ".45", and "0" for what is less than half a hundredth. */
const shortly = (value) => value < 0.005 ? "0" : fixed(value).replace(/^0/, "");

/** Word, label, word, label, ..., and the word asked about. */
function tokensOf(item, k) {
  return [...item.demonstrations.slice(0, k).flatMap(([word, , label]) => [word, label]),
    item.query];
}

function lookWords(item, k, weights) {
  if (!weights) return "";
  if (k === 0) return " The query has only itself to look at.";
  const best = weights.indexOf(Math.max(...weights));
  const [word, , label] = best < 2 * k ? item.demonstrations[Math.floor(best / 2)] : [];
  const where = best === 2 * k ? "itself" : best % 2 ? `${label}, the label of ${word}`
    : `the word ${word}`;
  return ` The query looks most at ${where} (${fixed(weights[best])}).`;
}

function classWords(item, k) {
  if (k === 0) return "";
  const same = item.demonstrations.slice(0, k).filter(([, kind]) => kind === item.query_class);
  return ` Of the ${k === 1 ? "one demonstration" : `${k} demonstrations`}, ${
    same.length || "none"} ${same.length > 1 ? "have" : "has"} the class of the query, ${
    item.query_class}.`;
}

function describe({ item, k, prediction, weights, classes }) {
  const { labels, probabilities } = prediction;
  const rank = labels.indexOf(item.answer);
  const verdict = rank === 0 ? "which is right." : `which is wrong: the right label ${
    item.answer} ${rank < 0 ? `is not among the ${labels.length} most probable.`
      : `has ${fixed(probabilities[rank])}.`}`;
  return `${shotsText(k)}: the model says ${labels[0]} (${fixed(probabilities[0])}), ${verdict}${
    lookWords(item, k, weights)}${classes ? classWords(item, k) : ""}`;
}

// ---- the drawing ----

const heard = (text) => make("span", { class: "nlpx-sh-heard" }, text);

/** One token, shaded by the attention it gets (null: none is known). */
function chipOf(text, place, weight, colour, kind) {
  const [fill, ink] = weight === null ? ["", ""] : colour(weight);
  return make("span", { class: `nlpx-sh-chip nlpx-sh-${kind}`, "data-place": place,
    "data-value": weight, title: weight === null ? null : `attention weight ${fixed(weight)}`,
    style: weight === null ? null : `background:${fill};color:${ink}` },
  make("bdi", { class: "nlpx-sh-text" }, text),
  weight === null ? null : make("span", { class: "nlpx-sh-weight", "aria-hidden": "true" },
    shortly(weight)),
  weight === null ? null : heard(`, attention ${fixed(weight)}`));
}

/** The demonstrations and the question; `room` empty places keep the height. */
function promptOf({ item, k, weights, classes, colour, room }) {
  const tokens = tokensOf(item, k);
  const chip = (place, kind) => chipOf(tokens[place], place, weights ? weights[place] : null,
    colour, kind);
  const arrow = () => make("span", { class: "nlpx-sh-arrow" }, "\u2192");
  const pair = (kind, same, ...parts) => make("li", {
    class: `nlpx-sh-pair${classes && same ? " nlpx-sh-same" : ""}` },
  make("span", { class: "nlpx-sh-tokens" }, parts),
  make("span", { class: "nlpx-sh-class" }, classes ? kind : "",
    classes && same ? heard(", the same class as the query") : null));
  const pairs = item.demonstrations.slice(0, k).map(([, kind], i) => pair(kind,
    kind === item.query_class, chip(2 * i, "word"), arrow(), chip(2 * i + 1, "label")));
  const query = pair(item.query_class, false, chip(2 * k, "query"), arrow(),
    make("span", { class: "nlpx-sh-chip nlpx-sh-slot" }, "?"));
  query.classList.add("nlpx-sh-question");
  const empty = Array.from({ length: room }, () => make("li", { class: "nlpx-sh-pair nlpx-sh-room",
    "aria-hidden": "true" }, make("span", { class: "nlpx-sh-tokens" },
    make("span", { class: "nlpx-sh-chip" }, "\u00a0",
      weights ? make("span", { class: "nlpx-sh-weight" }, "\u00a0") : null)),
  make("span", { class: "nlpx-sh-class" }, classes ? "\u00a0" : "")));
  return [...pairs, query, ...empty];
}

/** The most probable labels, and all others together. */
function barRows({ labels, probabilities }, answer) {
  const row = (label, bar, value, right) => make("tr", { class: right ? "nlpx-sh-right" : "" },
    make("th", { scope: "row" }, label), make("td", { class: "nlpx-sh-bar-cell" }, bar),
    make("td", { class: "nlpx-sh-number", "data-value": value }, fixed(value, 3)),
    make("td", { class: "nlpx-sh-mark" }, right ? "\u2713 right" : ""));
  const rest = Math.max(0, 1 - probabilities.reduce((sum, value) => sum + value, 0));
  const others = row("all others", null, rest, false);
  others.classList.add("nlpx-sh-others");
  return [...labels.map((label, i) => row(make("bdi", {}, label),
    make("span", { class: "nlpx-sh-track" }, make("span", {
      class: `nlpx-fill${label === answer ? " nlpx-wanted" : ""}`,
      style: `width:${(100 * probabilities[i]).toFixed(2)}%` })),
    probabilities[i], label === answer)), others];
}

const DASHED = [null, "7 4", "2 4", "10 3 2 3"];

/** The mark of one model's points, of the same area for all. */
function pointOf(m, x, y, size = 4) {
  const d = [
    `M${-size} 0A${size} ${size} 0 1 1 ${size} 0A${size} ${size} 0 1 1 ${-size} 0Z`,
    `M${-size * 0.9} ${-size * 0.9}h${size * 1.8}v${size * 1.8}h${-size * 1.8}Z`,
    `M0 ${-size * 1.25}L${size * 1.2} ${size * 0.9}H${-size * 1.2}Z`,
    `M0 ${-size * 1.25}L${size * 1.25} 0L0 ${size * 1.25}L${-size * 1.25} 0Z`,
  ][m];
  return draw("path", { class: "nlpx-sh-point", d, transform: `translate(${x.toFixed(1)} ${
    y.toFixed(1)})` });
}

/** Share of right labels against shots; the shots that are chosen are marked. */
function drawAccuracies({ width, models, accuracies, ideal, chance, k, model, pick }) {
  const most = accuracies[0].length - 1;
  const margin = { left: 38, right: 14, top: 26, bottom: 40 };
  const height = 240;
  const [right, bottom] = [width - margin.right, height - margin.bottom];
  const x = (shots) => margin.left + (shots / most) * (right - margin.left);
  const y = (share) => bottom - share * (bottom - margin.top);
  const told = models.map((name, m) => `${name} from ${fixed(accuracies[m][0])} to ${
    fixed(accuracies[m][most])}`).join("; ");
  const svg = draw("svg", { class: "nlpx-sh-chart", viewBox: `0 0 ${width} ${height}`, width,
    height, role: "img", "aria-label": `Share of right labels over many sequences, from 0 to ${
      shotsText(most)}: ${told}. Chance is ${fixed(chance)}.` });
  const put = (tag, attributes, ...children) => svg.append(draw(tag, attributes, ...children));
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    put("line", { class: "nlpx-grid", x1: margin.left, x2: right, y1: y(share), y2: y(share) });
    put("text", { class: "nlpx-number", x: margin.left - 7, y: y(share) + 4,
      "text-anchor": "end" }, String(share));
  }
  for (let shots = 0; shots <= most; shots += 1) {
    put("line", { class: "nlpx-axis", x1: x(shots), x2: x(shots), y1: bottom, y2: bottom + 4 });
    put("text", { class: `nlpx-number nlpx-sh-tick${shots === k ? " nlpx-strong" : ""}`,
      x: x(shots), y: bottom + 18, "text-anchor": "middle" }, String(shots));
  }
  put("line", { class: "nlpx-axis", x1: margin.left, x2: right, y1: bottom, y2: bottom });
  put("text", { class: "nlpx-quiet", x: right, y: height - 6, "text-anchor": "end" },
    "shots: demonstrations before the question");
  put("text", { class: "nlpx-quiet", x: 2, y: 13 }, "share of right labels");
  put("line", { class: "nlpx-cursor nlpx-sh-cursor", x1: x(k), x2: x(k), y1: margin.top,
    y2: bottom, "data-shots": k });
  const path = (values) => values.map((value, shots) => `${shots ? "L" : "M"}${
    x(shots).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  put("path", { class: "nlpx-reference", fill: "none", d: path(accuracies[0].map(() => chance)) });
  if (ideal) put("path", { class: "nlpx-sh-ideal", fill: "none", d: path(ideal) });
  const order = models.map((_, m) => m).sort((a, b) => (a === model) - (b === model));
  for (const m of order) { // the chosen one on top
    const group = draw("g", { class: `nlpx-sh-model${m === model ? " nlpx-sh-chosen" : ""}`,
      "data-model": m },
    draw("path", { class: "nlpx-sh-line", fill: "none", "stroke-dasharray": DASHED[m],
      d: path(accuracies[m]) }),
    accuracies[m].map((value, shots) => pointOf(m, x(shots), y(value))));
    svg.append(group);
  }
  put("circle", { class: "nlpx-sh-ring", cx: x(k), cy: y(accuracies[model][k]), r: 8 });
  svg.addEventListener("pointerdown", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    pick(clamp(Math.round(((at - margin.left) / (right - margin.left)) * most), 0, most));
  });
  return svg;
}

/** A piece of a line for the legend: the model's (m) with its mark, or a reference. */
function lineSample(kind, m = null) {
  return draw("svg", { class: `nlpx-swatch ${kind}`, viewBox: "0 0 34 12", width: 34, height: 12,
    "aria-hidden": "true" },
  draw("path", { class: m === null ? kind : "nlpx-sh-line", d: "M1 6H33", fill: "none",
    "stroke-dasharray": m === null ? null : DASHED[m] }),
  m === null ? null : pointOf(m, 17, 6, 3.5));
}

function render({ model, el }) {
  const items = model.get("items");
  const models = model.get("models");
  const accuracies = model.get("accuracies");
  const ideal = model.get("ideal");
  const chance = model.get("chance");
  const scale = model.get("scale");
  const most = items[0].demonstrations.length;
  const colour = (weight) => scale[Math.round(clamp(weight, 0, 1) * (scale.length - 1))];
  let width = 0;
  const pick = (k) => update(model, { shots: clamp(k, 0, most) });

  // controls
  const selectId = freshId(model);
  const select = make("select", { id: selectId, class: "nlpx-sh-select", on: {
    change: () => update(model, { item: Number(select.value) }) } },
  items.map((item, k) => make("option", { value: k }, `${k + 1}: ${item.query}`)));
  const which = models.length < 2 ? null : choice(model, { legend: "Model",
    options: models.map((name, m) => [m, name]), value: model.get("model"),
    onChange: (m) => update(model, { model: m }) });
  if (which) which.node.classList.add("nlpx-sh-models");
  const shots = slider(model, { label: "Shots", min: 0, max: most, step: 1,
    value: model.get("shots"), write: shotsText, onInput: pick });
  const fewer = button("\u2212", () => pick(model.get("shots") - 1),
    { "aria-label": "One shot fewer" });
  const more = button("+", () => pick(model.get("shots") + 1), { "aria-label": "One shot more" });
  shots.node.classList.add("nlpx-sh-slider");
  shots.input.before(fewer);
  shots.input.after(more);
  const checkId = freshId(model);
  const check = make("input", { id: checkId, type: "checkbox",
    on: { change: () => update(model, { classes: check.checked }) } });

  // the prompt, the labels, the accuracies
  const prompt = make("ol", { class: "nlpx-sh-prompt", role: "list",
    "aria-label": "The prompt: demonstrations, then the query" });
  const key = make("p", { class: "nlpx-sh-key" });
  const ramp = [make("span", {}, "attention of the query"), make("span", {}, "0"),
    make("span", { class: "nlpx-sh-ramp", style: `background:linear-gradient(90deg,${
      scale.map(([fill]) => fill).join(",")})` }), make("span", {}, "1")];
  const outlined = make("span", { class: "nlpx-sh-outlined" },
    make("span", { class: "nlpx-sh-sample", "aria-hidden": "true" }), "of the class of the query");
  const body = make("tbody", {});
  const caption = make("caption", {});
  const bars = make("table", { class: "nlpx-sh-bars" }, caption,
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "label"),
      make("th", { scope: "col", class: "nlpx-sh-axis" }, make("span", {}, "0"),
        make("span", {}, "1")),
      make("th", { scope: "col", class: "nlpx-sh-number" }, make("span",
        { class: "nlpx-sh-wide" }, "probability"), make("span", { class: "nlpx-sh-narrow" }, "p")),
      make("th", { scope: "col", class: "nlpx-sh-mark" }, heard("right or not")))),
    body);
  const missing = make("p", { class: "nlpx-note nlpx-sh-missing" });
  const figure = make("div", { class: "nlpx-figure" });
  const legend = make("ul", { class: "nlpx-legend nlpx-sh-legend" });
  const heading = make("p", { class: "nlpx-sh-heading" });

  const view = frame(model, el, "How many demonstrations does the model need?",
    make("div", { class: "nlpx-sh-controls" },
      make("div", { class: "nlpx-field" }, make("label", { for: selectId }, "Question"), select),
      which ? which.node : null),
    make("div", { class: "nlpx-sh-controls" },
      shots.node,
      make("label", { class: "nlpx-sh-check", for: checkId }, check, "Show the classes")),
    prompt, key,
    make("div", { class: "nlpx-sh-parts" },
      make("div", { class: "nlpx-sh-part" }, bars, missing),
      make("div", { class: "nlpx-sh-part" }, heading, figure, legend)),
    make("p", { class: "nlpx-note" },
      "Every word belongs to a class, always the same one. In each sequence every class has a "
      + "label of its own, drawn anew: which label belongs to the query can be found in the "
      + "demonstrations only. The model itself stays the same: nothing is trained here."));
  view.node.querySelector(".nlpx-sh-parts").before(view.status);
  view.status.classList.add("nlpx-sh-status");

  function showChart() {
    const k = model.get("shots");
    const m = model.get("model");
    figure.replaceChildren(drawAccuracies({ width: width || 400, models, accuracies, ideal, chance,
      k, model: m, pick }));
    heading.textContent = `Right labels over many sequences, after ${shotsText(k)}`;
    const entry = (sample, name, value, chosen) => make("li", {}, sample,
      make("span", { class: chosen ? "nlpx-sh-now" : "" }, `${name}: `,
        make("span", { class: "nlpx-number", "data-value": value }, fixed(value))));
    legend.replaceChildren(...models.map((name, i) => entry(lineSample(
      `nlpx-sh-model${i === m ? " nlpx-sh-chosen" : ""}`, i), name, accuracies[i][k], i === m)),
    ...(ideal ? [entry(lineSample("nlpx-sh-ideal"), "knows the classes", ideal[k])] : []),
    entry(lineSample("nlpx-reference"), "chance", chance));
  }

  function redraw() {
    const item = items[model.get("item")];
    const [k, m, classes] = [model.get("shots"), model.get("model"), model.get("classes")];
    const prediction = item.predictions[m][k];
    const weights = item.attention[m] ? item.attention[m][k] : null;
    select.value = String(model.get("item"));
    if (which) which.show(m);
    shots.show(k);
    check.checked = classes;
    fewer.setAttribute("aria-disabled", String(k === 0));
    more.setAttribute("aria-disabled", String(k === most));
    prompt.replaceChildren(...promptOf({ item, k, weights, classes, colour, room: most - k }));
    key.replaceChildren(...(weights ? ramp : ["No attention is shown for this model."]),
      ...(classes ? [outlined] : []));
    caption.textContent = `The ${prediction.labels.length} most probable labels for ${item.query}`;
    body.replaceChildren(...barRows(prediction, item.answer));
    missing.textContent = prediction.labels.includes(item.answer) ? ""
      : `The right label, ${item.answer}, is among the others.`;
    view.say(describe({ item, k, prediction, weights, classes }));
    showChart();
  }

  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["item", "shots", "model", "classes"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopFollowing = followWidth(figure, (now) => { width = now; showChart(); });
  return () => { stopListening(); stopFollowing(); };
}

export default { render };
