"""Code behind the book *From RNN to BERT*: read it in this order.

Nothing is re-exported here: import from the module that holds it, e.g.
``from nlp_helpers.models.rnn import RNN``.

models/          one file per model family, with the names of its paper; no training, no drawing
    recurrent.py     what recurrent layers share: layers, directions, states
    rnn.py           RNN cell, layer, and backpropagation through time by hand (chapter 01)
    recurrent_lm.py  a language model around any recurrent layer (chapter 01)
    ngram.py         the n-gram baseline, interpolated modified Kneser–Ney (chapter 01)
data/            what the models read
    corpora.py       load_corpus("library-docs"), load_corpus("tiny-shakespeare")
    library_docs.py  how the docstrings of NumPy, SciPy and scikit-learn become a corpus
    splits.py        train, validation or test, fixed by hash
    tokenizers.py    characters and words
    vocabulary.py    tokens <-> ids
    batches.py       (tokens, targets) batches for language models
training.py      one visible training loop
decoding.py      greedy, temperature, top-k and nucleus sampling over a step function
metrics.py       perplexity, bits per token and other scores
pretrained.py    load the shipped checkpoints
files.py         write a file whole or not at all
checks.py        refuse bad arguments, naming the value
reproducibility.py  set_seed: the same numbers at every run
plotting.py      arrays in, matplotlib Axes out; the book's colours
diagrams/        drawings of networks
    base.py          the marks that all drawings share
    recurrent.py, gates.py, seq2seq.py  the drawings of chapters 01, 02 and 03
display.py       show_source: render a class of this package inside a notebook
benchmarks.py    speeds that make bench has measured, as tables
explorables/     interactive figures that also work in the static page, without a kernel
    base.py          the base class: state in traitlets, behaviour in one ES module
    hello_stepper.py, gradient_lag.py, quiz.py
exercises/       check_... functions: "not attempted", "correct", or a hint
    harness.py       how a check reports
    rnn.py           the checks of chapter 01
checkpoints/     trained weights (safetensors), each with a JSON file that says how it was made
"""

__version__ = "0.1.0"
