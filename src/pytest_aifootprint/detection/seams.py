"""The one table of seams. A new client or framework is one new file with an ``install`` function, and a row here."""

from __future__ import annotations

from msgspec import Struct

STANDARD_LIBRARY = "python"
ARMED = "armed"
WAITING = "waiting"
UNTRIED = "armed, untried version "


class Seam(Struct, frozen=True):
    """One place where AI calls of one library can be seen.

    The file is imported only after the library was: a run pays for what it uses. It has ``install(module, arming)``,
    which patches the imported module; it may raise, and the seam is then undone and reported as failed.

    Attributes:
        name: as reported by ``Seams.status``. module: whose import arms it.
        file: module with ``install``, relative to this package or absolute.
        at_least, below: versions of the top-level package that it was built for.
        distribution: what to ask for the version where the package does not tell it in time, or several of which one
            is there; ``STANDARD_LIBRARY`` for modules that come with Python.
    """

    name: str
    module: str
    file: str
    at_least: tuple[int, ...]
    below: tuple[int, ...]
    distribution: str = ""

    @property
    def tries_newer(self) -> bool:
        """Whether a version that nobody has tried is watched all the same, and named in a notice.

        What wraps a model's own methods either finds them or not. A client's protocol code may have changed its meaning
        under the same names: there, watching could change a test.
        """
        return self.file.startswith(".inprocess.")


def sees(status: str) -> bool:
    """Whether a seam in this state sees calls, now or as soon as its library is imported."""
    return status in {ARMED, WAITING} or status.startswith(UNTRIED)


SEAMS = (
    Seam("httpx", "httpx", ".http.httpx", (0, 25), (1,)),
    Seam("httpx2", "httpx2", ".http.httpx", (2,), (3,)),
    Seam("httpcore", "httpcore", ".http.httpcore", (1,), (2,)),
    Seam("httpcore2", "httpcore2", ".http.httpcore", (2,), (3,)),
    Seam("http.client", "http.client", ".http.http_client", (3, 10), (4,), distribution=STANDARD_LIBRARY),
    Seam("urllib3", "urllib3", ".http.urllib3", (1, 26), (3,)),
    Seam("requests", "requests", ".http.requests", (2, 25), (3,)),
    Seam("urllib", "urllib.request", ".http.urllib_request", (3, 10), (4,), distribution=STANDARD_LIBRARY),
    Seam("aiohttp", "aiohttp", ".http.aiohttp", (3, 8), (4,)),
    Seam("aioresponses", "aioresponses.core", ".http.aioresponses", (0, 7), (1,), distribution="aioresponses"),
    Seam("dspy", "dspy._vendor.lm15.transports", ".http.lm15", (3, 4), (4,), distribution="dspy"),
    Seam("lm15", "lm15.transports", ".http.lm15", (0,), (2,), distribution="lm15"),
    Seam("websockets", "websockets.client", ".http.websockets", (13,), (19,)),
    Seam("grpc", "grpc._channel", ".http.grpc", (1, 60), (2,)),
    Seam("grpc.aio", "grpc.aio._channel", ".http.grpc", (1, 60), (2,)),
    # Its version is set only after this module was imported.
    Seam("vcrpy", "vcr.cassette", ".http.vcrpy", (6,), (10,), distribution="vcrpy"),
    Seam("onnxruntime", "onnxruntime.capi.onnxruntime_inference_collection", ".inprocess.onnxruntime", (1, 16), (2,)),
    Seam(
        "fasttext",
        "fasttext.FastText",
        ".inprocess.fasttext",
        (0, 9),
        (1,),
        distribution="fasttext-predict fasttext-predict-v2 fasttext-wheel fasttext-numpy2 fasttext",
    ),
    Seam("llama_cpp", "llama_cpp", ".inprocess.llama_cpp", (0, 3), (0, 4)),
    Seam("xllamacpp", "xllamacpp", ".inprocess.xllamacpp", (0, 2), (2028,)),
    Seam("litert", "ai_edge_litert.interpreter", ".inprocess.litert", (2,), (3,)),
    Seam("litert.compiled", "ai_edge_litert.compiled_model", ".inprocess.litert", (2,), (3,)),
    Seam("tflite_runtime", "tflite_runtime.interpreter", ".inprocess.litert", (2,), (3,)),
    Seam("sklearn", "sklearn.base", ".inprocess.sklearn", (1, 3), (2,)),
    Seam("joblib", "joblib", ".inprocess.joblib", (1, 2), (2,)),
    Seam("xgboost", "xgboost", ".inprocess.xgboost", (2, 1), (4,)),
    Seam("lightgbm", "lightgbm", ".inprocess.lightgbm", (4,), (5,)),
    Seam("torch", "torch", ".inprocess.torch", (2,), (3,)),
    Seam("transformers", "transformers.modeling_utils", ".inprocess.transformers", (4, 40), (6,)),
    Seam("transformers.generate", "transformers.generation.utils", ".inprocess.transformers", (4, 40), (6,)),
    Seam("transformers.trainer", "transformers.trainer", ".inprocess.transformers", (4, 40), (6,)),
    Seam("sentence-transformers", "sentence_transformers", ".inprocess.sentence_transformers", (5,), (7,)),
    Seam("keras", "keras", ".inprocess.keras", (3, 3), (4,)),
    Seam("spacy", "spacy", ".inprocess.spacy", (3,), (4,)),
    Seam("optax", "optax", ".inprocess.jax", (0, 2), (1,)),
)
