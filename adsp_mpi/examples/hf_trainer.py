"""Hugging Face's Trainer, which has the loop, on a small GPT-2 that reads Python's own library.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.hf_trainer:train
python -m adsp_mpi simulate adsp_mpi.examples.hf_trainer:train --workers 4

Needs `pip install transformers accelerate`.
"""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

import adsp_mpi  # new
from adsp_mpi.callbacks.hugging_face import StopWithRun  # new
from adsp_mpi.examples.byte_transformer import windows

CONFIG = GPT2Config(
    vocab_size=256, n_positions=64, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
)
SETTINGS = {"sync": {"check_period_s": 5}, "eval": {"period_s": 2}, "stop": {"max_seconds": 60}}


def train() -> None:
    texts = windows()[0]
    held_out, training = texts[::100], [{"input_ids": x, "labels": x} for x in texts[1::2]]
    model = GPT2LMHeadModel(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)

    def validate(model: nn.Module) -> dict[str, float]:
        loss = float(model(held_out, labels=held_out).loss)
        return {"loss": loss, "perplexity": math.exp(loss)}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    if run.server:  # new
        run.serve()  # new
        return  # new
    arguments = TrainingArguments(
        max_steps=1_000_000_000,  # changed
        seed=run.index,  # changed
        per_device_train_batch_size=16,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=run.shard(training),  # changed
        optimizers=(optimizer, LambdaLR(optimizer, lambda _: 1 - run.progress)),  # changed
        callbacks=[StopWithRun(run)],  # new
    )
    trainer.train()


if __name__ == "__main__":
    train()
