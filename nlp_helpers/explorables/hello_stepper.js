// ---- the computation: plain arrays in, plain arrays out ----

/** The network over a list of letter indices, every intermediate number kept. */
function forward({ U, W, V, b, c }, letters) {
  const steps = [];
  let previous = b.map(() => 0);
  for (const letter of letters) {
    const fromInput = U.map((row) => row[letter]); // U x, x being one-hot
    const fromState = W.map((row) => row.reduce((sum, w, j) => sum + w * previous[j], 0));
    const sums = b.map((bias, i) => fromInput[i] + fromState[i] + bias);
    const state = sums.map(Math.tanh);
    const logits = V.map((row, k) => row.reduce((sum, v, j) => sum + v * state[j], c[k]));
    const probabilities = softmax(logits);
    steps.push({ letter, previous, fromInput, fromState, sums, state, logits, probabilities });
    previous = state;
  }
  return steps;
}

function softmax(logits) {
  const highest = Math.max(...logits);
  const weights = logits.map((value) => Math.exp(value - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The letter that should come after text[0..t], or null if `word` does not go on like that. */
function targetAfter(text, t, word) {
  return t < word.length && word.startsWith(text.slice(0, t)) ? word[t] : null;
}

const largest = (values) => values.indexOf(Math.max(...values));

const distance = (a, b) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));

// ---- the drawing ----

const STATE_ROW = 30;
const NETWORK = { stepLabel: 14, target: 40, bars: 58, barHeight: 44, states: 152 };

const HELLO_LETTERS = 10;

/** The unrolled network: s_0, then one column per letter; the columns after t are outlines. */
function drawNetwork({ width, vocabulary, text, word, steps, t, unit, pick }) {
  const hidden = steps.length ? steps[0].state.length : 0;
  const left = 48;
  const column = clamp((width - left) / Math.max(1, text.length), 64, 124);
  const cell = Math.min(62, column - 19);
  const total = Math.max(width, left + column * text.length);
  const shift = (total - left - column * text.length) / 2;
  const statesEnd = NETWORK.states + hidden * STATE_ROW;
  const hotTop = statesEnd + 34;
  const height = hotTop + 52;
  const middle = NETWORK.states + (hidden * STATE_ROW) / 2;
  const centre = (k) => shift + left + column * (k + 0.5);

  const svg = draw("svg", { class: "nlpx-network", viewBox: `0 0 ${total} ${height}`,
    width: total, height, role: "group",
    "aria-label": `The network unrolled over ${text}, shown up to step ${t}. ` +
      "Left and right arrow keys change the step, up and down the unit." });
  const arrow = (x1, y1, x2, y2, faint) => {
    const angle = Math.atan2(y2 - y1, x2 - x1);
    const tip = (turn) => `${(x2 - 6 * Math.cos(angle + turn)).toFixed(1)},${
      (y2 - 6 * Math.sin(angle + turn)).toFixed(1)}`;
    svg.append(draw("path", { class: faint ? "nlpx-arrow nlpx-faint" : "nlpx-arrow",
      d: `M${x1} ${y1}L${x2} ${y2}M${tip(0.5)}L${x2} ${y2}L${tip(-0.5)}` }));
  };
  const write = (x, y, content, kind = "", anchor = "middle") =>
    svg.append(draw("text", { x, y, class: kind, "text-anchor": anchor }, ...[content].flat()));

  for (const [y, label] of [[NETWORK.target, "target"], [NETWORK.bars + 28, svgIndexed("p", "t")],
    [hotTop + 13, svgIndexed("x", "t")], [hotTop + 40, "input"]]) {
    write(shift + 2, y, label, "nlpx-quiet", "start");
  }
  write(shift + 20, NETWORK.states - 8, svgIndexed("s", 0), "nlpx-quiet");
  for (let i = 0; i < hidden; i += 1) {
    const y = NETWORK.states + i * STATE_ROW;
    svg.append(draw("rect", { class: "nlpx-zero", x: shift + 2, y: y + 2, width: 36, height: 26,
      rx: 5 }));
    write(shift + 20, y + 19, "0", "nlpx-quiet nlpx-number");
  }

  text.split("").forEach((letter, k) => {
    const x = centre(k);
    const reached = k < t;
    const step = steps[k];
    const from = k === 0 ? shift + 40 : centre(k - 1) + cell / 2 + 2;
    if (k === t - 1) {
      svg.append(draw("rect", { class: "nlpx-now", x: x - column / 2 + 2, y: 1,
        width: column - 4, height: height - 3, rx: 9 }));
    }
    write(x, NETWORK.stepLabel, `t = ${k + 1}`, k === t - 1 ? "nlpx-strong" : "nlpx-quiet");
    arrow(from, middle, x - cell / 2 - 3, middle, !reached);
    arrow(x, hotTop - 4, x, statesEnd + 4, !reached);
    arrow(x, NETWORK.states - 4, x, NETWORK.bars + NETWORK.barHeight + 22, !reached);
    if (k === 0) {
      write(x + 8, statesEnd + 23, "U", "nlpx-quiet", "start");
      write(x + 8, NETWORK.states - 10, "V", "nlpx-quiet", "start");
    }
    if (k === Math.min(1, text.length - 1)) {
      write((from + x - cell / 2) / 2, middle - 7, "W", "nlpx-quiet");
    }

    // x_t, one square per letter of the vocabulary, the hot one filled
    const side = Math.min(17, (column - 10) / vocabulary.length);
    const hotLeft = x - (side * vocabulary.length) / 2;
    vocabulary.split("").forEach((other, n) => {
      const hot = other === letter;
      svg.append(draw("rect", { class: hot ? "nlpx-hot" : "nlpx-cold", x: hotLeft + n * side,
        y: hotTop, width: side - 1, height: 18, rx: 2 }));
      write(hotLeft + (n + 0.5) * side, hotTop + 13, hot ? "1" : "0",
        hot ? "nlpx-on-hot nlpx-number" : "nlpx-quiet nlpx-number");
    });
    write(x, hotTop + 42, letter, "nlpx-letter nlpx-input-text");

    if (!reached) {
      svg.append(draw("rect", { class: "nlpx-ghost", x: x - cell / 2, y: NETWORK.states + 1,
        width: cell, height: hidden * STATE_ROW - 2, rx: 6 }));
      return;
    }

    const target = targetAfter(text, k + 1, word);
    write(x, NETWORK.target, target || "\u2013", target ? "nlpx-letter" : "nlpx-quiet");
    const slot = Math.min(17, (column - 10) / vocabulary.length);
    const barsLeft = x - (slot * vocabulary.length) / 2;
    const base = NETWORK.bars + NETWORK.barHeight;
    svg.append(draw("line", { class: "nlpx-axis", x1: barsLeft, x2: barsLeft + slot *
      vocabulary.length, y1: base, y2: base }));
    step.probabilities.forEach((p, n) => {
      const tall = Math.max(1, p * NETWORK.barHeight);
      svg.append(draw("rect", { class: vocabulary[n] === target ? "nlpx-bar nlpx-wanted"
        : "nlpx-bar", x: barsLeft + n * slot + 2, y: base - tall, width: slot - 4, height: tall,
        rx: 1.5 }));
      write(barsLeft + (n + 0.5) * slot, base + 13, vocabulary[n],
        vocabulary[n] === target ? "nlpx-strong" : "nlpx-quiet");
    });

    step.state.forEach((value, i) => {
      const y = NETWORK.states + i * STATE_ROW;
      const chosen = k === t - 1 && i === unit;
      const half = cell / 2 - 5;
      const group = draw("g", { class: "nlpx-cell", role: "button", tabindex: chosen ? 0 : -1,
        "aria-pressed": String(chosen), "data-t": k + 1, "data-unit": i + 1,
        "data-value": value.toPrecision(9),
        "aria-label": `State unit ${i + 1} at step ${k + 1}: ${fixed(value)}`,
        on: { click: () => pick(k + 1, i) } },
        draw("rect", { class: "nlpx-cell-box", x: x - cell / 2, y: y + 2, width: cell,
          height: STATE_ROW - 4, rx: 5 }),
        draw("rect", { class: "nlpx-cell-bar", x: value < 0 ? x + value * half : x,
          y: y + 22, width: Math.abs(value) * half, height: 3, rx: 1.5 }),
        draw("line", { class: "nlpx-axis", x1: x, x2: x, y1: y + 20.5, y2: y + 26.5 }),
        draw("text", { x, y: y + 16.5, class: "nlpx-number", "text-anchor": "middle" },
          fixed(value)));
      svg.append(group);
    });
  });
  return { svg, centreOfStep: centre(t - 1) };
}

/** A table from rows of cells; a cell is a string, a node, or {text, value} for exact numbers. */
function table(caption, header, rows, { current = -1 } = {}) {
  const cellOf = (cell) => cell && cell.value !== undefined
    ? make("td", { "data-value": cell.value.toPrecision(9), class: cell.kind }, cell.text)
    : make("td", {}, cell);
  return make("div", { class: "nlpx-scroll", tabindex: 0, role: "region", "aria-label": caption },
    make("table", {}, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, header.map((cell) => make("th", { scope: "col" }, cell)))),
      make("tbody", {}, rows.map(([first, ...rest], i) =>
        make("tr", { class: i === current ? "nlpx-current" : null },
          make("th", { scope: "row" }, first), rest.map(cellOf))))));
}

const number = (value, digits = 2, kind = null) => ({ text: fixed(value, digits), value, kind });

/** Every number of a_t = U x_t + W s_{t-1} + b and s_t = tanh(a_t), one row per unit. */
function stateTable(step, snapshot, t, letter, unit) {
  const rows = step.state.map((value, i) => [String(i + 1), number(step.fromInput[i]),
    number(step.fromState[i]), number(snapshot.b[i]), number(step.sums[i]),
    number(value, 2, "nlpx-state-value")]);
  return table(`State after ${letter}: tanh of the sum`, ["unit", indexed("U x", t),
    indexed("W s", t - 1), "b", "sum", indexed("s", t)], rows, { current: unit });
}

/** The arithmetic of one state value, term by term. */
function termTable(step, snapshot, t, letter, unit) {
  const row = unit + 1;
  const rows = [[`input ${letter}`, number(snapshot.U[unit][step.letter]), "1",
    number(step.fromInput[unit])]];
  step.previous.forEach((value, j) => rows.push([[indexed("s", t - 1), `, unit ${j + 1}`],
    number(snapshot.W[unit][j]), number(value), number(snapshot.W[unit][j] * value)]));
  rows.push(["bias b", "", "", number(snapshot.b[unit])]);
  rows.push(["sum", "", "", number(step.sums[unit])]);
  rows.push(["tanh of sum", "", "", number(step.state[unit], 2, "nlpx-state-value")]);
  return table(`How unit ${row} at t = ${t} got its number`,
    ["from", "weight", "value", "product"], rows);
}

function outputTable(step, vocabulary, target, t) {
  const rows = step.probabilities.map((p, k) => [vocabulary[k], number(step.logits[k]),
    number(p, 3),
    make("span", { class: "nlpx-track" }, make("span", { class: vocabulary[k] === target
      ? "nlpx-fill nlpx-wanted" : "nlpx-fill", style: `width:${(p * 100).toFixed(1)}%` })),
    vocabulary[k] === target ? "\u25c0 here" : ""]);
  return table(`Prediction after t = ${t}`,
    ["letter", indexed("o", t), indexed("p", t), "as a bar", "target"], rows,
    { current: target ? vocabulary.indexOf(target) : -1 });
}

/** The last two times up to t with the same input letter, or null. */
function sameInput(text, t) {
  const last = text.lastIndexOf(text[t - 1], t - 2);
  if (t > 1 && last >= 0) return [last + 1, t];
  for (let j = t - 1; j > 1; j -= 1) {
    const i = text.lastIndexOf(text[j - 1], j - 2);
    if (i >= 0) return [i + 1, j];
  }
  return null;
}

function comparison(text, steps, vocabulary, t) {
  const pair = sameInput(text, t);
  if (!pair) {
    const next = text.split("").findIndex((letter, k) => k >= t && text.indexOf(letter) < k);
    return make("p", { class: "nlpx-note" }, next < 0
      ? "No letter occurs twice here. Try one that does: same input, different state."
      : `Step on to t = ${next + 1}: it reads ${text[next]} for the second time.`);
  }
  const [i, j] = pair;
  const [first, second] = [steps[i - 1], steps[j - 1]];
  const best = (step) => {
    const k = largest(step.probabilities);
    return `${vocabulary[k]} ${fixed(step.probabilities[k], 3)}`;
  };
  const letter = text[j - 1];
  const rows = [[i, first], [j, second]].map(([time, step]) => [`t = ${time}`,
    ...step.state.map((value) => number(value)), best(step)]);
  const gap = distance(first.state, second.state);
  const same = largest(first.probabilities) === largest(second.probabilities);
  return make("div", {},
    table(`Same input ${letter}, different state`,
      ["step", ...first.state.map((_, n) => `unit ${n + 1}`), "likeliest"], rows),
    make("p", { class: "nlpx-note" }, `Both steps read ${letter}, so U x is the same. ` +
      `What came before is not: the states lie ${fixed(gap)} apart` +
      (same ? ", and so the probabilities differ, though both favour the same letter."
        : ", and so the predictions differ.")));
}

function render({ model, el }) {
  const vocabulary = model.get("vocabulary");
  const word = model.get("word");
  const snapshots = model.get("snapshots");
  const shown = { steps: [], preview: null, previewed: null, pointer: null,
    width: 0 };

  // controls
  const boxId = freshId(model);
  const hintId = freshId(model);
  const box = make("input", { id: boxId, type: "text", class: "nlpx-text", autocomplete: "off",
    autocapitalize: "none", spellcheck: "false", maxlength: HELLO_LETTERS,
    "aria-describedby": hintId });
  const hint = make("span", { id: hintId, class: "nlpx-note", "aria-live": "polite" });
  const allowed = `Letters: ${[...vocabulary].join(", ")}; at most ${HELLO_LETTERS}.`;
  const setText = (text) => {
    const kept = [...text].map((c) => vocabulary.includes(c) ? c : c.toLowerCase())
      .filter((c) => vocabulary.includes(c)).join("").slice(0, HELLO_LETTERS);
    const dropped = [...text].filter((c) => !vocabulary.includes(c)
      && !vocabulary.includes(c.toLowerCase()));
    box.value = kept;
    hint.textContent = dropped.length
      ? `${dropped[0]} is not in the vocabulary ${[...vocabulary].join(", ")}.`
      : allowed;
    update(model, { text: kept, step: Math.min(Math.max(1, model.get("step")), kept.length) });
  };
  box.addEventListener("input", () => setText(box.value));
  const letterButtons = [...vocabulary].map((letter) => button(letter,
    () => setText(model.get("text") + letter), { "aria-label": `Add the letter ${letter}` }));
  const removeLast = button("\u232b", () => setText(model.get("text").slice(0, -1)),
    { "aria-label": "Remove the last letter" });
  const startAgain = button("Start again", () => {
    update(model, { step: 1, unit: 0 });
    setText(word.slice(0, -1));
  });
  const updates = choice(model, { legend: "Training updates so far",
    options: snapshots.map((snapshot, i) => [i, String(snapshot.updates)]),
    value: model.get("snapshot"), onChange: (i) => update(model, { snapshot: i }) });

  const goTo = (t) => update(model, { step: clamp(t, 1, Math.max(1, model.get("text").length)) });
  const back = button("\u2190 Prev", () => goTo(model.get("step") - 1));
  const next = button("Next \u2192", () => goTo(model.get("step") + 1));
  const time = slider(model, { label: "Time step t", min: 1, max: 1, step: 1, value: 1,
    write: (t) => `${t} of ${model.get("text").length}`, onInput: goTo });

  const network = make("div", { class: "nlpx-scroll nlpx-figure", tabindex: -1 });
  const statePanel = make("div", { class: "nlpx-panel" });
  const termPanel = make("div", { class: "nlpx-panel" });
  const outputPanel = make("div", { class: "nlpx-panel" });
  const samePanel = make("div", { class: "nlpx-panel" });
  const view = frame(model, el, "Step through a network that spells",
    make("div", { class: "nlpx-controls" },
      make("div", { class: "nlpx-field" }, make("label", { for: boxId }, "Input letters"), box,
        make("span", { class: "nlpx-keys" }, letterButtons, removeLast), startAgain, hint),
      updates.node,
      make("div", { class: "nlpx-field nlpx-time" }, back, next, time.node)),
    network,
    make("div", { class: "nlpx-panels" }, make("div", { class: "nlpx-column" }, statePanel,
      outputPanel), make("div", { class: "nlpx-column" }, termPanel, samePanel)));
  network.before(view.status);

  // drawing
  const pick = (t, unit) => update(model, { step: t, unit });
  const showTerms = () => {
    const { t, unit } = shown.preview || { t: model.get("step"), unit: model.get("unit") };
    const step = shown.steps[t - 1];
    if (!step) return;
    termPanel.replaceChildren(termTable(step, snapshots[model.get("snapshot")], t,
      vocabulary[step.letter], unit));
  };
  const preview = (cell) => {
    if (cell === shown.previewed) return;
    shown.previewed = cell;
    shown.preview = cell ? { t: Number(cell.dataset.t), unit: cell.dataset.unit - 1 } : null;
    showTerms();
  };
  // A redraw puts a new cell under a resting pointer, for which browsers report that the pointer
  // came in. So only a pointer at a new place previews, and entering a cell does nothing.
  const follow = (event) => {
    const { clientX: x, clientY: y } = event;
    if (shown.pointer && shown.pointer.x === x && shown.pointer.y === y) return;
    shown.pointer = { x, y };
    preview(event.target.closest(".nlpx-cell"));
  };

  function redrawNetwork() {
    const active = el.getRootNode().activeElement;
    const hadFocus = network.contains(active) && active !== network;
    const text = model.get("text");
    const t = model.get("step");
    const { svg, centreOfStep } = drawNetwork({ width: shown.width || 640, vocabulary, text, word,
      steps: shown.steps, t, unit: model.get("unit"), pick });
    const scrolled = network.scrollLeft;
    network.replaceChildren(svg);
    network.scrollLeft = scrolled;
    const half = network.clientWidth / 2;
    if (Math.abs(centreOfStep - scrolled - half) > half - 50) {
      network.scrollLeft = centreOfStep - half;
    }
    const chosen = svg.querySelector('[aria-pressed="true"]');
    if (hadFocus && chosen) chosen.focus({ preventScroll: true });
  }

  function describe(text, t, step, target) {
    const k = largest(step.probabilities);
    const loss = target === null ? `There is no target: ${word} does not go on like this.`
      : `The target is ${target}: loss ${
        fixed(-Math.log(step.probabilities[vocabulary.indexOf(target)]), 3)} nats.`;
    return `Step ${t} of ${text.length}: input ${text[t - 1]}. State ${
      step.state.map((value) => fixed(value)).join(", ")}. Likeliest next letter: ${
      vocabulary[k]}, p = ${fixed(step.probabilities[k], 3)}. ${
      t === word.length && text.startsWith(word) ? `There is no target: ${word} ends here.` : loss}`;
  }

  function redraw() {
    const text = model.get("text");
    const snapshot = snapshots[model.get("snapshot")];
    shown.steps = forward(snapshot, [...text].map((letter) => vocabulary.indexOf(letter)));
    shown.preview = shown.previewed = null;
    const t = clamp(model.get("step"), text ? 1 : 0, text.length);
    if (t !== model.get("step")) { update(model, { step: t }); return; }
    if (box.value !== text) box.value = text;
    updates.show(model.get("snapshot"));
    time.range(Math.min(1, text.length), text.length);
    time.show(t);
    time.input.disabled = !text;
    back.setAttribute("aria-disabled", String(t <= 1));
    next.setAttribute("aria-disabled", String(t >= text.length));
    removeLast.setAttribute("aria-disabled", String(!text));
    redrawNetwork();
    if (!text) {
      view.say("No input yet: type a letter or pick one.");
      for (const panel of [statePanel, termPanel, outputPanel, samePanel]) panel.replaceChildren();
      return;
    }
    const step = shown.steps[t - 1];
    const target = targetAfter(text, t, word);
    view.say(describe(text, t, step, target));
    statePanel.replaceChildren(stateTable(step, snapshot, t, text[t - 1], model.get("unit")));
    showTerms();
    outputPanel.replaceChildren(outputTable(step, vocabulary, target, t), lossLine(text, t, target));
    samePanel.replaceChildren(comparison(text, shown.steps, vocabulary, t));
  }

  function lossLine(text, t, target) {
    if (target === null) {
      return make("p", { class: "nlpx-note" }, "Without a target there is no loss at this step.");
    }
    const losses = shown.steps.slice(0, t).map((step, k) =>
      -Math.log(step.probabilities[vocabulary.indexOf(targetAfter(text, k + 1, word))]));
    const p = shown.steps[t - 1].probabilities[vocabulary.indexOf(target)];
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / t;
    return make("p", { class: "nlpx-note" }, "Loss: \u2212ln ", fixed(p, 3), " = ",
      make("strong", { class: "nlpx-loss", "data-value": losses[t - 1].toPrecision(9) },
        `${fixed(losses[t - 1], 3)} nats`),
      t > 1 ? `; mean over the first ${t} steps ${fixed(mean, 3)} nats.` : ".");
  }

  network.addEventListener("pointermove", follow);
  network.addEventListener("pointerleave", () => preview(null));
  network.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move || !shown.steps.length) return;
    event.preventDefault();
    pick(clamp(model.get("step") + move[0], 1, model.get("text").length),
      clamp(model.get("unit") + move[1], 0, shown.steps[0].state.length - 1));
  });

  hint.textContent = allowed;
  let waiting = false; // several traits change together: draw once
  const stopListening = listen(model, ["text", "snapshot", "step", "unit"], () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; redraw(); });
  });
  redraw();
  const stopFollowing = followWidth(network, (width) => { shown.width = width; redrawNetwork(); });
  return () => { stopListening(); stopFollowing(); };
}

export default { render };
