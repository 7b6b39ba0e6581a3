"""Lightning's Trainer, which has the loop, on handwritten digits.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.lightning_trainer:train
python -m adsp_mpi simulate adsp_mpi.examples.lightning_trainer:train --workers 4

Needs `pip install lightning`.
"""

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment  # new
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi  # new
from adsp_mpi.callbacks.lightning import StopWithRun  # new

SETTINGS = {"sync": {"check_period_s": 2}, "eval": {"period_s": 1}, "stop": {"max_seconds": 30}}


class Digits(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.adam = torch.optim.Adam(self.parameters(), 1e-3)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return cross_entropy(self.layers(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.adam


def train() -> None:
    digits = load_digits()
    images, classes = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    held_out = torch.arange(len(images)) % 5 == 0
    training = TensorDataset(images[~held_out], classes[~held_out])
    model = Digits()

    def validate(model: Digits) -> dict[str, Tensor]:
        logits = model.layers(images[held_out])
        hits = (logits.argmax(1) == classes[held_out]).float()
        return {"loss": cross_entropy(logits, classes[held_out]), "accuracy": hits.mean()}

    run = adsp_mpi.join(model, model.adam, evaluate=validate, settings=SETTINGS)  # new
    if run.server:  # new
        run.serve()  # new
        return  # new
    trainer = Trainer(
        max_epochs=-1,  # changed
        plugins=LightningEnvironment(),  # new
        callbacks=[StopWithRun(run)],  # new
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(run.shard(training), 32, shuffle=True))  # changed


if __name__ == "__main__":
    train()
