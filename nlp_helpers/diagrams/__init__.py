"""Diagrams of networks, drawn by code: sizes and letters in, matplotlib Axes out.

base                   the marks that all drawings share
recurrent              recurrent networks: unrolled, shapes, backpropagation through time (01)
gates                  LSTM, GRU and SRU cells, the roads of the gradient, the parallel scan (02)
seq2seq                encoder and decoder, attention, beam search, a soft alignment (03)
transformer            the whole Transformer, norms, clocks of positions, lengths of paths (04)
transformer_attention  query, key and value as matrices, heads, masks (04)
elmo                   words in context, character CNN, biLM, mixture of layers, ULMFiT (05)
gpt                    decoder only, training, inputs of tasks, key-value cache, merges (06)
shots                  ways to ask: fine-tuning or demonstrations; an induction circuit (06b)
bert                   BERT's input, the reach of ELMo, GPT and BERT, why words are masked (07)
bert_tasks             both tasks of pre-training, the four shapes of fine-tuned tasks (07)
bert_masks             XLNet's permutation masks, what BERT's masking replaces (07)

The number in brackets is the chapter's.
"""
