// ---- the computation ----

/** How many questions are answered, and how many of them rightly. */
function score(questions, answers) {
  const answered = answers.filter((answer) => answer !== null).length;
  const right = questions.filter((question, i) => answers[i] === question.answer_index).length;
  return { answered, right, total: questions.length };
}

/** Text with `code` and *emphasis* as [kind, text] parts; the same rule as quiz.py's. */
function inlineParts(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(/`([^`]+)`|\*(\S(?:[^*`]*\S)?)\*/g)) {
    if (match.index > end) parts.push(["text", text.slice(end, match.index)]);
    parts.push(match[1] === undefined ? ["em", match[2]] : ["code", match[1]]);
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(["text", text.slice(end)]);
  return parts;
}

function inline(text) {
  return inlineParts(text).map(([kind, part]) => kind === "text" ? part : make(kind, {}, part));
}

// ---- the drawing ----

function render({ model, el }) {
  const questions = model.get("questions");
  const parts = questions.map((question, i) => {
    const group = freshId(model);
    const feedback = make("div", { class: "nlpx-feedback", "aria-live": "polite" });
    const options = question.options.map((option, k) => {
      const id = freshId(model);
      const input = make("input", { type: "radio", id, name: group, value: k,
        on: { change: () => {
          const answers = [...model.get("answers")];
          answers[i] = k;
          update(model, { answers });
        } } });
      const mark = make("span", { class: "nlpx-mark", "aria-hidden": "true" });
      return { input, mark, node: make("label", { class: "nlpx-option", for: id }, input,
        make("span", {}, inline(option)), mark) };
    });
    const node = make("fieldset", { class: "nlpx-question" },
      make("legend", {}, make("span", { class: "nlpx-count" }, `${i + 1}. `),
        inline(question.prompt)),
      options.map((option) => option.node), feedback);
    return { node, options, feedback };
  });
  const reset = button("Clear my answers", () => {
    update(model, { answers: questions.map(() => null) });
    parts[0].options[0].input.focus();
  });
  const view = frame(model, el, "Check yourself", parts.map((part) => part.node));
  view.node.append(make("div", { class: "nlpx-field nlpx-score" }, view.status, reset));

  function show() {
    const answers = model.get("answers");
    parts.forEach(({ options, feedback }, i) => {
      const question = questions[i];
      const chosen = answers[i];
      options.forEach(({ input, mark, node }, k) => {
        input.checked = k === chosen;
        const right = k === question.answer_index;
        node.classList.toggle("nlpx-right", k === chosen && right);
        node.classList.toggle("nlpx-wrong", k === chosen && !right);
        mark.textContent = k !== chosen ? "" : right ? "\u2713" : "\u2717";
      });
      const key = String(chosen);
      if (feedback.dataset.shown === key) return;
      feedback.dataset.shown = key;
      if (chosen === null) { feedback.replaceChildren(); return; }
      const right = chosen === question.answer_index;
      feedback.replaceChildren(make("p", { class: right ? "nlpx-right" : "nlpx-wrong" },
        make("strong", {}, right ? "\u2713 Right. " : "\u2717 Not this one. "),
        inline(question.explanations[chosen])));
    });
    const { answered, right, total } = score(questions, answers);
    const open = total - answered;
    view.say(answered === 0 ? `No answer yet, ${total} ${total === 1 ? "question" : "questions"}.`
      : `${right} of ${total} right${open ? `, ${open} not answered yet` : ""}.`);
    reset.setAttribute("aria-disabled", String(answered === 0));
  }

  const stopListening = listen(model, ["answers"], show);
  show();
  return stopListening;
}

export default { render };
