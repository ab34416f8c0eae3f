"""Diagrams of networks, drawn by code: sizes and letters in, matplotlib Axes out.

base                   the marks that all drawings share
recurrent              recurrent networks: unrolled, shapes, backpropagation through time (chapter 01)
gates       LSTM, GRU and SRU cells, the roads of the gradient, the parallel scan (chapter 02)
seq2seq                encoder and decoder, attention, beam search, a soft alignment (chapter 03)
transformer            the whole Transformer, norms, clocks of positions, lengths of paths (chapter 04)
transformer_attention  query, key and value as matrices, heads, masks (chapter 04)
"""
