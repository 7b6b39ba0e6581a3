"""The recurrent classifier for tasks on sequences."""

import torch
from torch import nn


class SequenceClassifier(nn.Module):
    """An LSTM layer with a linear layer on its last output: [B, T, features] to [B, classes]."""

    def __init__(self, features: int, units: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)
        self.out = nn.Linear(units, classes)

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        outputs, _ = self.lstm(sequences)
        return self.out(outputs[:, -1])
