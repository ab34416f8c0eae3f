"""Figures that answer to the reader: one Python class and one small ES module each.

base                 Explorable: state in traitlets, a live widget, a self-contained HTML fragment
hello_stepper        HelloStepper: the "hello" network, one time step and one number at a time
gradient_lag         GradientLag: how much gradient is left after a number of steps back in time
gate_traces          GateTraces: a text coloured by what one gate of one unit does at each character
alignment            Alignment: which letters of a word each of its phonemes is read from
attention_mask       AttentionMask: what a mask does before and after the softmax
positional_encoding  PositionalEncoding: sinusoidal positions as a heat map, a clock and waves
attention_heads      AttentionHeads: the weights of every layer and head of a Transformer
sense_map            SenseMap: where a word's occurrences lie in a mixture of layers, by sense
next_token           NextToken: what temperature, top-k and top-p leave of a model's distribution
shots                Shots: what a model says after 0, 1, 2, ... demonstrations, where it looks
scaling_plot         ScalingPlot: the loss against size or compute, a power law by the reader
masking              Masking: which places a masked language model is asked for, draw by draw
masked_word          MaskedWord: what could stand at a masked place, read from both sides or one
quiz                 Quiz, Question: multiple choice with an explanation for every option

attention_items      AttentionItems: what Alignment and AttentionHeads share
shots_items          from a model and a sequence of demonstrations to an item of Shots
masked_word_items    from models' probabilities at the places of a sentence to an item of MaskedWord
color_scale          the book's colour maps and numbers in the form that pages read

`common.js` is put in front of every module, `attention.js` also of those of attention weights;
`explorables.css` styles all of them. What only one of them needs of style lies beside its module
(`gate_traces.css`, `alignment.css`).
"""
