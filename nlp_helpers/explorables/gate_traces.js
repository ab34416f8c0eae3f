// ---- the values: one text of two-decimal numbers per trace and unit ----

const numbersOf = (line) => line.split(" ").map(Number);

/** The end of a trace's scale: 1, or for an unbounded state the next half above its values. */
function limitOf(trace, values) {
  if (trace.kind === "share") return 1;
  const largest = Math.max(...values.map(Math.abs));
  return trace.symbol !== "cell" && largest <= 1 ? 1 : Math.max(0.5, Math.ceil(largest * 2) / 2);
}

/** Colour and ink of a value; a share runs from 0 to 1, a signed value from -limit to limit. */
function colourOf(scale, trace, value, limit) {
  const share = trace.kind === "share" ? value : (value / limit + 1) / 2;
  return scale[Math.round(clamp(share, 0, 1) * (scale.length - 1))];
}

const isLong = (trace) => trace.symbol.length > 1;
const nameOfTrace = (trace) => (isLong(trace) ? trace.name : `${trace.name} ${trace.symbol}`);

const SPOKEN = { " ": "space", "\n": "new line", "\t": "tab" };
const SHOWN = { " ": "\u00a0", "\n": "\u23ce", "\t": "\u21e5" };
const LONGEST_WORD = 16; // longer ones may break, so that a narrow page can hold them

const spoken = (character) => SPOKEN[character] || `\u201c${character}\u201d`;

/** [start, end) of runs that stay on one line: a word with the blank after it. */
function runsOf(characters) {
  const runs = [];
  characters.forEach((character, t) => {
    const last = runs[runs.length - 1];
    if (last && !SPOKEN[characters[t - 1]] && t - last[0] < LONGEST_WORD) last[1] = t + 1;
    else runs.push([t, t + 1]);
  });
  return runs;
}

// ---- the drawing ----

const STRIP = { left: 62, right: 40, height: 44, gap: 14, top: 8, axis: 38 };

/** One strip per trace over the whole passage, with a line at the position. */
function drawStrips({ width, traces, lines, limits, gate, position, pick, preview, leave }) {
  const count = lines[0].length;
  const bottom = STRIP.top + traces.length * (STRIP.height + STRIP.gap) - STRIP.gap;
  const height = bottom + STRIP.axis;
  const right = width - STRIP.right;
  const x = (t) => STRIP.left + (t / Math.max(1, count - 1)) * (right - STRIP.left);
  const names = traces.map(nameOfTrace).join(", ");
  const svg = draw("svg", { class: "nlpx-strips", viewBox: `0 0 ${width} ${height}`, width, height,
    role: "img", "aria-label": `Line plots of ${names} over the passage.` });
  const put = (tag, attributes, ...children) => svg.append(draw(tag, attributes, ...children));
  traces.forEach((trace, k) => {
    const top = STRIP.top + k * (STRIP.height + STRIP.gap);
    const signed = trace.kind === "signed";
    const low = signed ? -limits[k] : 0;
    const y = (value) => top + (1 - (value - low) / (limits[k] - low)) * STRIP.height;
    const chosen = trace.symbol === gate;
    put("rect", { class: "nlpx-strip", x: STRIP.left, y: top, width: right - STRIP.left,
      height: STRIP.height });
    if (signed) {
      put("line", { class: "nlpx-axis", x1: STRIP.left, x2: right, y1: y(0), y2: y(0) });
    }
    put("text", { class: chosen ? "nlpx-strong" : "nlpx-quiet", x: 0,
      y: top + STRIP.height / 2 + 4 }, isLong(trace) ? trace.name : `${trace.name.split(" ")[0]} ${
      trace.symbol}`);
    const end = (value) => signed ? fixed(value, 1) : String(value);
    put("text", { class: "nlpx-number nlpx-quiet", x: right + 5, y: top + 9 }, end(limits[k]));
    put("text", { class: "nlpx-number nlpx-quiet", x: right + 5, y: top + STRIP.height },
      end(low));
    const d = lines[k].map((value, t) => `${t ? "L" : "M"}${x(t).toFixed(1)} ${
      y(value).toFixed(1)}`).join("");
    put("path", { class: `nlpx-trace nlpx-trace-${trace.symbol}${chosen ? " nlpx-chosen" : ""}`,
      d });
  });
  const gap = [10, 20, 50, 100, 200].find((n) => count / n <= (width < 480 ? 5 : 8)) || 200;
  for (let t = 0; t <= count; t += gap) {
    const at = x(Math.max(0, t - 1));
    put("line", { class: "nlpx-axis", x1: at, x2: at, y1: bottom, y2: bottom + 4 });
    put("text", { class: "nlpx-number", x: at, y: bottom + 17, "text-anchor": "middle" },
      String(Math.max(1, t)));
  }
  put("text", { class: "nlpx-quiet", x: right, y: bottom + 34, "text-anchor": "end" },
    "characters read");
  const cursor = draw("line", { class: "nlpx-here", y1: STRIP.top - 4, y2: bottom });
  const dots = traces.map((trace) => draw("circle", { r: 3.5,
    class: `nlpx-here-dot nlpx-trace-${trace.symbol}` }));
  svg.append(cursor, ...dots);
  const show = (t) => {
    cursor.setAttribute("x1", x(t));
    cursor.setAttribute("x2", x(t));
    dots.forEach((dot, k) => {
      const low = traces[k].kind === "signed" ? -limits[k] : 0;
      dot.setAttribute("cx", x(t));
      dot.setAttribute("cy", STRIP.top + k * (STRIP.height + STRIP.gap)
        + (1 - (lines[k][t] - low) / (limits[k] - low)) * STRIP.height);
    });
  };
  const at = (event) => {
    const box = svg.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    return clamp(Math.round(((across - STRIP.left) / (right - STRIP.left)) * (count - 1)), 0,
      count - 1);
  };
  svg.addEventListener("pointermove", (event) => preview(at(event), event));
  svg.addEventListener("click", (event) => pick(at(event)));
  svg.addEventListener("pointerleave", leave);
  show(position);
  return { svg, show };
}

/** A bar from the left (share) or from the middle (signed). */
function meter(trace, value, limit) {
  const size = (Math.abs(value) / limit) * (trace.kind === "signed" ? 50 : 100);
  const from = trace.kind === "share" ? 0 : value < 0 ? 50 - size : 50;
  return make("span", { class: `nlpx-meter${trace.kind === "signed" ? " nlpx-signed" : ""}` },
    make("span", { class: `nlpx-meter-bar nlpx-trace-${trace.symbol}`,
      style: `left:${from.toFixed(1)}%;width:${size.toFixed(1)}%` }));
}

function render({ model, el }) {
  const characters = Array.from(model.get("text"));
  const traces = model.get("traces");
  const units = model.get("units");
  const notes = new Map(model.get("notes"));
  const scales = model.get("scales");
  const last = characters.length - 1;
  const gates = traces.filter((trace) => trace.kind === "share");
  const states = traces.filter((trace) => trace.symbol === "cell" || trace.symbol === "hidden");
  const always = [...gates, ...states.filter((trace) => trace.symbol === "cell"
    || states.length === 1)];
  const shown = { preview: null, pointer: null, width: 0, strips: null, unit: null, lines: {},
    limits: {} };

  const traceOf = (symbol) => traces.find((trace) => trace.symbol === symbol);
  const valueAt = (symbol, t) => shown.lines[symbol][t];
  const position = () => clamp(model.get("position"), 0, last);
  const pick = (t) => {
    shown.preview = null;
    update(model, { position: clamp(t, 0, last) });
    showPosition();
  };

  // controls
  const gate = choice(model, { legend: "Colour the text by",
    options: traces.map((trace) => [trace.symbol, nameOfTrace(trace)]),
    value: model.get("gate"), onChange: (symbol) => update(model, { gate: symbol }) });
  const goTo = (place) => update(model, { unit: units[clamp(place, 0, units.length - 1)] });
  const place = () => units.indexOf(model.get("unit"));
  const unit = slider(model, { label: "Unit", min: 0, max: units.length - 1, step: 1,
    value: place(), write: (k) => `${units[k]} (${k + 1} of ${units.length})`, onInput: goTo });
  const back = button("\u2190", () => goTo(place() - 1), { "aria-label": "Previous unit" });
  const next = button("\u2192", () => goTo(place() + 1), { "aria-label": "Next unit" });
  const selectId = freshId(model);
  const select = make("select", { id: selectId, class: "nlpx-select", on: {
    change: () => { if (select.value !== "") update(model, { unit: Number(select.value) }); } } },
    make("option", { value: "" }, "choose \u2026"),
    [...notes].map(([key, note]) => make("option", { value: key }, `${key}: ${note}`)));

  // the passage
  const tiles = characters.map((character, t) => make("button", { type: "button",
    class: "nlpx-tile", tabindex: -1, "data-t": t + 1,
    on: { click: () => pick(t), focus: () => { if (t !== position()) pick(t); } } },
    SHOWN[character] || character));
  const passage = make("div", { class: "nlpx-passage", role: "group",
    "aria-label": "The passage, one tile per character. Left and right arrow keys move by one "
      + "character, up and down by one line, page up and page down change the unit." },
    runsOf(characters).flatMap(([start, end]) => [make("span", { class: "nlpx-run" },
      tiles.slice(start, end)), characters[end - 1] === "\n" ? make("br") : null]));
  const key = make("div", { class: "nlpx-key" });
  const note = make("p", { class: "nlpx-unit-note" });
  const panel = make("div", { class: "nlpx-panel" });
  const figure = make("div", { class: "nlpx-figure" });
  const view = frame(model, el, "What the gates do while the network reads",
    make("div", { class: "nlpx-controls" }, gate.node,
      make("div", { class: "nlpx-field nlpx-units" }, back, next, unit.node),
      notes.size ? make("div", { class: "nlpx-field nlpx-pick" },
        make("label", { for: selectId }, "Units worth a look"), select) : null),
    note, key, passage, make("div", { class: "nlpx-readings" }, panel, figure),
    make("p", { class: "nlpx-note" }, "Point at a character, or go through them with the arrow "
      + "keys; page up and page down change the unit there. A value belongs to the moment just "
      + "after its character was read. Units are counted from 0. Values are kept with two "
      + "decimals."));
  passage.after(view.status);

  // drawing
  function showKey(trace, limit) {
    const scale = scales[trace.kind];
    const ends = trace.kind === "share" ? ["0", "1"] : [fixed(-limit, 1), fixed(limit, 1)];
    const colours = scale.map(([fill]) => fill).join(",");
    key.replaceChildren(make("span", {}, nameOfTrace(trace)),
      make("span", { class: "nlpx-number" }, ends[0]),
      make("span", { class: "nlpx-ramp", style: `background:linear-gradient(90deg,${colours})` }),
      make("span", { class: "nlpx-number" }, ends[1]));
  }

  function showTiles() {
    const trace = traceOf(model.get("gate"));
    const limit = shown.limits[trace.symbol];
    const line = shown.lines[trace.symbol];
    tiles.forEach((tile, t) => {
      const [fill, ink] = colourOf(scales[trace.kind], trace, line[t], limit);
      tile.style.background = fill;
      tile.style.color = ink;
      tile.setAttribute("data-value", line[t].toFixed(2));
      tile.setAttribute("aria-label",
        `Character ${t + 1}, ${spoken(characters[t])}: ${trace.name} ${fixed(line[t])}`);
    });
    showKey(trace, limit);
  }

  function arithmetic(t) {
    if (!t || ["i", "f", "g", "cell"].some((symbol) => !traceOf(symbol))) return null;
    const [f, i, g] = ["f", "i", "g"].map((symbol) => valueAt(symbol, t));
    const signed = (value) => value < 0 ? `(${fixed(value)})` : fixed(value);
    return make("p", { class: "nlpx-sum" }, "cell = f \u00d7 cell before + i \u00d7 g",
      make("br"), `${fixed(f)} \u00d7 ${signed(valueAt("cell", t - 1))} + ${fixed(i)} \u00d7 ${
        signed(g)} \u2248 ${fixed(valueAt("cell", t))}`);
  }

  function showPosition() {
    const t = shown.preview === null ? position() : shown.preview;
    tiles.forEach((tile, k) => {
      tile.classList.toggle("nlpx-picked", k === position());
      tile.classList.toggle("nlpx-looked-at", k === t);
      tile.setAttribute("aria-pressed", String(k === position()));
      tile.tabIndex = k === position() ? 0 : -1;
    });
    const rows = traces.map((trace) => {
      const value = valueAt(trace.symbol, t);
      return make("tr", { class: trace.symbol === model.get("gate") ? "nlpx-current" : null },
        make("th", { scope: "row" }, nameOfTrace(trace)),
        make("td", { class: "nlpx-meter-cell" }, meter(trace, value, shown.limits[trace.symbol])),
        make("td", { "data-value": value.toFixed(2) }, fixed(value)));
    });
    panel.replaceChildren(make("table", {}, make("caption", {},
      `Unit ${model.get("unit")} after character ${t + 1}, ${spoken(characters[t])}`),
      make("tbody", {}, rows)), arithmetic(t) || "");
    if (shown.strips) shown.strips.show(t);
  }

  function showStrips() {
    const plotted = traces.filter((trace) => always.includes(trace)
      || trace.symbol === model.get("gate"));
    shown.strips = drawStrips({ width: shown.width || 480, traces: plotted,
      lines: plotted.map((trace) => shown.lines[trace.symbol]),
      limits: plotted.map((trace) => shown.limits[trace.symbol]), gate: model.get("gate"),
      position: shown.preview === null ? position() : shown.preview, pick, preview: follow,
      leave: () => look(null) });
    figure.replaceChildren(shown.strips.svg);
  }

  function describe() {
    const t = position();
    const values = traces.map((trace) => `${trace.name} ${fixed(valueAt(trace.symbol, t))}`);
    return `Unit ${model.get("unit")}, character ${t + 1} of ${characters.length}, ${
      spoken(characters[t])}: ${values.join(", ")}.`;
  }

  const look = (t) => {
    if (t === shown.preview) return;
    shown.preview = t;
    showPosition();
  };
  // After a key has moved the position, a resting pointer must not take it back.
  const follow = (t, event) => {
    const { clientX: x, clientY: y } = event;
    if (shown.pointer && shown.pointer.x === x && shown.pointer.y === y) return;
    shown.pointer = { x, y };
    look(t);
  };

  function redraw() {
    const k = place();
    if (shown.unit !== k) {
      shown.unit = k;
      for (const trace of traces) {
        shown.lines[trace.symbol] = numbersOf(trace.values[k]);
        shown.limits[trace.symbol] = limitOf(trace, shown.lines[trace.symbol]);
      }
    }
    gate.show(model.get("gate"));
    unit.show(k);
    back.setAttribute("aria-disabled", String(k === 0));
    next.setAttribute("aria-disabled", String(k === units.length - 1));
    select.value = notes.has(units[k]) ? String(units[k]) : "";
    note.textContent = notes.has(units[k]) ? `Unit ${units[k]}: ${notes.get(units[k])}` : "";
    note.hidden = !notes.has(units[k]);
    showTiles();
    showStrips();
    showPosition();
    view.say(describe());
  }

  /** The tile above or below: in the nearest line there, the one that is nearest across. */
  function inNextLine(t, direction) {
    const [here, ...all] = [tiles[t], ...tiles].map((tile) => tile.getBoundingClientRect());
    const beyond = all.map((box) => (box.top - here.top) * direction).filter((d) => d > 2);
    if (!beyond.length) return t;
    const nearest = Math.min(...beyond);
    let best = t;
    let gap = Infinity;
    all.forEach((box, k) => {
      const off = Math.abs(box.left - here.left);
      if (Math.abs((box.top - here.top) * direction - nearest) < 2 && off < gap) [best, gap] = [k, off];
    });
    return best;
  }

  passage.addEventListener("pointermove", (event) => {
    const tile = event.target.closest(".nlpx-tile");
    follow(tile ? tile.dataset.t - 1 : null, event);
  });
  passage.addEventListener("pointerleave", () => look(null));
  passage.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const t = position();
    const moves = { ArrowLeft: () => t - 1, ArrowRight: () => t + 1, Home: () => 0,
      End: () => last, ArrowUp: () => inNextLine(t, -1), ArrowDown: () => inNextLine(t, 1) };
    const turns = { PageUp: -1, PageDown: 1 };
    if (moves[event.key]) pick(moves[event.key]());
    else if (turns[event.key]) goTo(place() + turns[event.key]);
    else return;
    event.preventDefault();
    tiles[position()].focus();
  });

  const stopListening = listen(model, ["unit", "gate"], redraw);
  const stopPosition = listen(model, ["position"], () => { showPosition(); view.say(describe()); });
  redraw();
  const stopFollowing = followWidth(figure, (width) => { shown.width = width; showStrips(); });
  return () => { stopListening(); stopPosition(); stopFollowing(); };
}

export default { render };
