// Shared by all explorables: making elements, writing numbers, controls, and mounting in a page.
// This text is put in front of each module, so its names are private to that module.

// Taken from the browser, so that no address is written anywhere in the page.
const SVG_NAMESPACE = (() => {
  const holder = document.createElement("div");
  holder.innerHTML = "<svg></svg>";
  return holder.firstChild.namespaceURI;
})();

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") {
      for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    } else {
      node.setAttribute(key, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An HTML element; children that are strings become text, never markup. */
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** 0.5 -> "0.50", -0.5 -> "−0.50" (a real minus sign, and never "−0.00"). */
function fixed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "\u2212" : "") + text;
}

/** 0.00123 -> "1.2e-03". */
function scientific(value) {
  const [mantissa, exponent] = value.toExponential(1).split("e");
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** -3 -> "10⁻³". */
function powerOfTen(exponent) {
  const digits = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";
  const raised = String(Math.abs(exponent)).replace(/\d/g, (d) => digits[Number(d)]);
  return "10" + (exponent < 0 ? "\u207b" : "") + raised;
}

/** s with a subscript, for a page: indexed("s", 3) reads "s3". */
function indexed(symbol, index) {
  return make("span", {}, symbol, make("sub", {}, String(index)));
}

/** The same as parts of an SVG text. */
function svgIndexed(symbol, index) {
  return [symbol, draw("tspan", { dy: 3, "font-size": "75%" }, String(index))];
}

let identifiers = 0;
const page = Math.random().toString(36).slice(2, 8); // two views of one notebook may share a page

/** An id that no other explorable in the page has. */
function freshId(model) {
  identifiers += 1;
  return `nlpx-${model.get("name")}-${page}-${identifiers}`;
}

function button(label, onClick, attributes) {
  return make("button", { type: "button", class: "nlpx-button", ...attributes,
                          on: { click: onClick } }, label);
}

/** A labelled native slider; `write(value)` gives the words beside it. */
function slider(model, { label, min, max, step, value, write, onInput }) {
  const id = freshId(model);
  const output = make("output", { for: id, class: "nlpx-value" });
  const input = make("input", { id, type: "range", min, max, step });
  const show = (number) => {
    input.value = String(number);
    output.textContent = write(number);
    input.setAttribute("aria-valuetext", write(number));
  };
  input.addEventListener("input", () => {
    output.textContent = write(Number(input.value));
    onInput(Number(input.value));
  });
  show(value);
  const node = make("div", { class: "nlpx-slider" },
    make("label", { for: id }, label), input, output);
  return { node, input, show, range: (low, high) => { input.min = low; input.max = high; } };
}

/** Native radio buttons in a row; `options` is a list of [value, label]. */
function choice(model, { legend, options, value, onChange }) {
  const group = freshId(model);
  const inputs = options.map(([key]) => make("input", {
    type: "radio", name: group, value: key, id: freshId(model), on: { change: () => onChange(key) },
  }));
  const show = (key) => inputs.forEach((input, i) => { input.checked = options[i][0] === key; });
  show(value);
  const node = make("fieldset", { class: "nlpx-choice" }, make("legend", {}, legend),
    inputs.map((input, i) => make("label", { for: input.id }, input,
      make("span", {}, options[i][1]))));
  return { node, show };
}

/** The frame of an explorable, with a line that says in words what has just changed. */
function frame(model, el, title, ...children) {
  const status = make("p", { class: "nlpx-status", role: "status", "aria-live": "polite" });
  const node = make("div", { class: "nlpx", role: "group", "aria-label": title },
    make("p", { class: "nlpx-title" }, title), ...children);
  el.replaceChildren(node);
  const say = (text) => { if (status.textContent !== text) status.textContent = text; };
  return { node, status, say };
}

/** Call `redraw(width)` now and whenever the width of `node` changes; returns a stop function. */
function followWidth(node, redraw) {
  let last = 0;
  const check = () => {
    const width = Math.round(node.clientWidth);
    if (width > 0 && width !== last) redraw((last = width));
  };
  const observer = new ResizeObserver(() => requestAnimationFrame(check));
  observer.observe(node);
  check();
  return () => observer.disconnect();
}

/** Change traits and tell the kernel, if there is one. */
function update(model, changes) {
  for (const [key, value] of Object.entries(changes)) model.set(key, value);
  model.save_changes();
}

/** Listen to several traits with one handler; returns a stop function. */
function listen(model, traits, handler) {
  for (const trait of traits) model.on(`change:${trait}`, handler);
  return () => { for (const trait of traits) model.off(`change:${trait}`, handler); };
}

/** The part of a widget model that the modules use, for a page without a kernel. */
function pageModel(state) {
  const values = { ...state };
  const handlers = new Map();
  return {
    get: (key) => values[key],
    set(key, value) {
      if (Object.is(values[key], value)) return;
      values[key] = value;
      for (const handler of [...(handlers.get(`change:${key}`) || [])]) handler();
    },
    on(event, handler) {
      handlers.set(event, [...(handlers.get(event) || []), handler]);
    },
    off(event, handler) {
      handlers.set(event, (handlers.get(event) || []).filter((h) => h !== handler));
    },
    save_changes() {},
  };
}

/** Bring the fragment of this state's name to life, wherever it is in the page. */
function mount(render, state) {
  const hosts = document.querySelectorAll(`[data-explorable="${state.name}"]`);
  for (const host of hosts) {
    if (host.dataset.mounted) continue;
    host.dataset.mounted = "true";
    const el = make("div", { class: "nlpx-live" });
    host.append(el);
    render({ model: pageModel(state), el });
    host.querySelector(".nlpx-fallback").hidden = true;
  }
}
