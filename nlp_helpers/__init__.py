"""Code behind the book *From RNN to BERT*: read it in this order.

Nothing is re-exported here: import from the module that holds it, e.g.
``from nlp_helpers.models.rnn import RNN``.

models/          one file per model family, with the names of its paper; no training, no drawing
    recurrent.py     what recurrent layers share: layers, directions, states
    rnn.py           RNN cell, layer, and backpropagation through time by hand (chapter 01)
    lstm.py          LSTM, gate by gate (chapter 02)
    gru.py           GRU, reset before or after the product (chapter 02)
    sru.py           SRU, its recurrence as a loop and as a parallel scan (chapter 02)
    recurrent_lm.py  a language model around any recurrent layer (chapter 01)
    scaled_dot_product.py  the masked softmax, scaled dot-product attention, the causal mask
    attention.py     multi-head attention (chapter 04); additive, dot, general, concat (chapter 03)
    seq2seq.py       encoder, decoder, and both as one model (chapter 03)
    seq2seq_attention.py  the decoders of Luong and of Bahdanau (chapter 03)
    transformer_config.py  what Transformers vary by name or number
    positions.py     sinusoidal positions, and the embedding that adds them (chapter 04)
    transformer_layers.py  feed-forward, add and norm, encoder and decoder layer (chapter 04)
    transformer.py   the two stacks, and the Transformer with its key-value cache (chapter 04)
    torch_weights.py  from_torch: the same weights as in a module of torch.nn
    elmo_config.py   what ELMo models vary by name or number
    char_cnn.py      a word's vector from its characters: ids, convolutions, highway (chapter 05)
    projected_lstm.py  the LSTM with a recurrent projection, in layers, one direction (chapter 05)
    elmo.py          ELMo: the language model in both directions, its layers, their mixture
    gpt_config.py    what GPTs vary by number or name; GPT-1, GPT-2, GPT-3; parameters by formula
    gpt.py           GPT, pre-LN or post-LN, with its key-value cache (chapter 06)
    gpt_weights.py   from_huggingface: the same weights as GPT-1 or GPT-2 in transformers
    gpt_tasks.py     classification, similarity and multiple choice on top of GPT (chapter 06)
    bert_config.py   what BERTs vary by number or name; BERT-base, BERT-large; parameters by formula
    bert.py          BERT, its two heads of pre-training, its heads for tasks (chapter 07)
    bert_layers.py   the head of the masked language model, how weights start
    bert_weights.py, bert_names.py  from_huggingface: the same weights as in transformers
    permutation.py   XLNet's masks of a factorization order (chapter 07)
    text_classifier.py  concat pooling, classifiers over vectors or a language model (chapter 05)
    ngram.py         the n-gram baseline, interpolated modified Kneser–Ney (chapter 01)
data/            what the models read
    corpora.py       load_corpus("library-docs"), load_corpus("tiny-shakespeare")
    library_docs.py  how the docstrings of NumPy, SciPy and scikit-learn become a corpus
    splits.py        train, validation or test, fixed by hash
    tokenizers.py    characters and words
    bpe.py           byte-level byte-pair encoding, GPT-2's tokenizer (chapter 06)
    bpe_merges.py, bpe_files.py  how merges are learned; vocab.json and merges.txt
    vocabulary.py    tokens <-> ids
    batches.py       (tokens, targets) batches for language models
    windows.py       (tokens, targets) windows of one long text, at random places or side by side
    in_context.py    demonstrations: words, and labels that the sequence decides (chapter 06b)
    wordpiece.py     BERT's tokenizer: the longest match first (chapter 07)
    wordpiece_text.py, wordpiece_training.py, wordpiece_files.py  cleaning, learning, vocab.txt
    masking.py       BERT's masked words: 15 %, then 80/10/10 (chapter 07)
    sentence_pairs.py  pairs for next-sentence prediction; RoBERTa's rows without it
    bert_inputs.py   rows of two segments, and batches of pre-training (chapter 07)
    labelled_inputs.py, answer_spans.py  rows and labels of tasks; the best span of an answer
    gpt_inputs.py    labelled examples as rows of tokens: the four transforms of GPT-1 (chapter 06)
    adding.py        the adding problem (chapter 02)
    cmudict.py       English words and their pronunciations (chapter 03)
    pairs.py         padded batches of (source, target) pairs
    copying.py       the copy task (chapter 04)
    tiny_world.py    generated stories whose truth is known (chapters 05 to 07)
    tiny_world_tasks.py  labelled sets out of them
    tiny_world_tags.py   sentences with a tag for every word
    tiny_world_words.py, tiny_world_templates.py, tiny_world_forms.py  what they are made of
    sentences.py     batches of sentences, spelled in characters, for the biLM
training.py      one visible training loop
lm_losses.py     next-token loss; fine-tuning with an auxiliary language model (chapter 06)
bert_losses.py   hidden words and next sentences; classes, spans, tags (chapter 07)
span_metrics.py  exact match and F1 of answers, F1 of named entities
muon.py          an optimizer: Muon for hidden matrices, AdamW for the rest (chapter 06)
decoding.py      greedy, sampling and beam search over a step function
metrics.py       perplexity, bits per token, phoneme and word error rates
finetuning.py    ULMFiT: a learning rate for each layer, layers that open from the top (chapter 05)
prompting.py     answers by prompt: the probability of each continuation (chapter 06b)
induction.py     induction heads: where they look, models without them, fingerprints (chapter 06b)
scaling.py       power laws with their uncertainty (chapter 06b)
probing.py       what a linear classifier reads from frozen vectors (chapter 05)
g2p.py           letters to phonemes: write pronunciations with a model, and score them
pretrained.py    load the shipped checkpoints
elmo_files.py    an ELMo from, or into, the official options.json and weights.hdf5
gpt_files.py     GPT-2 from the official files, or by name from the hub
bert_files.py    BERT from the official files, or by name from the hub
downloads.py     fetch a file once, checked by its hash
experiments.py   load the results of runs that are too long for a chapter
files.py         write a file whole or not at all
checks.py        refuse bad arguments, naming the value
reproducibility.py  set_seed: the same numbers at every run
plotting.py      arrays in, matplotlib Axes out; the book's colours
diagrams/        drawings of networks
    base.py          the marks that all drawings share
    recurrent.py, gates.py, seq2seq.py  the drawings of chapters 01, 02 and 03
    transformer.py, transformer_attention.py  the drawings of chapter 04
    elmo.py, gpt.py, shots.py  the drawings of chapters 05 and 06
    bert.py, bert_tasks.py, bert_masks.py  the drawings of chapter 07
display.py       show_source: render a class of this package inside a notebook
benchmarks.py    speeds that make bench has measured, as tables
explorables/     interactive figures that also work in the static page, without a kernel
    base.py          the base class: state in traitlets, behaviour in one ES module
    hello_stepper.py, gradient_lag.py, gate_traces.py, beam_tree.py, alignment.py, quiz.py
    attention_mask.py, positional_encoding.py, attention_heads.py, sense_map.py
    next_token.py, shots.py, scaling_plot.py, masking.py, masked_word.py
    attention_items.py  what alignment and attention_heads share
    shots_items.py   from a model and demonstrations to an item of shots
    masked_word_items.py  from probabilities to an item of masked_word
    color_scale.py   colours of a map for the page
exercises/       check_... functions: "not attempted", "correct", or a hint
    harness.py, hints.py  how a check reports; which usual error a wrong answer holds
    rnn.py, gates.py, seq2seq.py, transformer.py, elmo.py, gpt.py, bert.py  the checks of
                     chapters 01 to 07
    few_shot.py      the checks of chapter 06b
    small_models.py  small GPTs that the checks use
checkpoints/     trained weights (safetensors), each with a JSON file that says how it was made
experiment_results/  what `make train` has measured, as JSON
"""

__version__ = "0.1.0"
