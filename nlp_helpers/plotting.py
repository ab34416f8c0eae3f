"""The book's colours, its one matplotlib style, and its charts: arrays in, Axes out."""

COLORS = {
    "input": "#3B82C4",
    "hidden": "#1F9E77",
    "cell": "#C58A00",
    "output": "#8B62C9",
    "gradient": "#D4513D",
    "encoder": "#5B6FD6",
    "decoder": "#B5652B",
    "query": "#D1478F",
    "key": "#8A8400",
    "value": "#0E93A8",
    "neutral": "#7C828C",
}
SEQUENTIAL = "YlGnBu"
DIVERGING = "RdBu_r"
