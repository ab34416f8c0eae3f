"""Make what the chapters load: checkpoints, and the results of experiments that take long.

python -m tools.train [name ...]        (default: all; each takes minutes on 2 cores)
"""

import argparse
from collections.abc import Callable

from nlp_helpers.training import TrainConfig
from tools import (
    train_bert,
    train_bert_ablations,
    train_bert_rates,
    train_bert_tasks,
    train_elmo,
    train_elmo_tasks,
    train_gates,
    train_gpt,
    train_gpt_tasks,
    train_in_context,
    train_scaling,
    train_seq2seq,
    train_transformer,
)
from tools.char_lm import train_char_lm


def char_rnn_library_docs() -> None:
    """Chapter 01: a character RNN on the prose of library-docs."""
    config = {"cell": "rnn", "embedding_size": 64, "hidden_size": 512, "n_layers": 1}
    config["dropout"] = 0.1
    settings = TrainConfig(
        n_steps=7_000, learning_rate=2.5e-3, warmup=100, final_fraction=0.02, evaluate_every=1_000
    )
    train_char_lm("char-rnn-library-docs", config, settings, held_out_steps=128)


def recipes() -> dict[str, Callable[[], None]]:
    """Name -> what makes it, of all chapters."""
    return {
        "char-rnn-library-docs": char_rnn_library_docs,
        **train_gates.RECIPES,
        **train_seq2seq.RECIPES,
        **train_transformer.RECIPES,
        **train_elmo.RECIPES,
        **train_elmo_tasks.RECIPES,
        **train_gpt.RECIPES,
        **train_gpt_tasks.RECIPES,
        **train_in_context.RECIPES,
        **train_scaling.RECIPES,
        **train_bert.RECIPES,
        **train_bert_rates.RECIPES,
        **train_bert_tasks.RECIPES,
        **train_bert_ablations.RECIPES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    known = recipes()
    parser.add_argument("names", nargs="*", help=f"out of {', '.join(known)}; default: all")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - known.keys()
    if unknown:
        parser.error(f"unknown recipes {sorted(unknown)}; there are {', '.join(known)}")
    for name in arguments.names or known:
        print(f"{name}: training", flush=True)
        known[name]()


if __name__ == "__main__":
    main()
