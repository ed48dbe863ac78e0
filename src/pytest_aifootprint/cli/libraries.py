"""The AI libraries that the doctor looks for, by the name of their distribution."""

from __future__ import annotations

from collections.abc import Mapping

HTTP_SDK = "remote models, through httpx"
# Distribution to what it is. Watched: a seam of its own, or of the stack that it sends through.
WATCHED: Mapping[str, str] = {
    "ai-edge-litert": "models in this process",
    "aiohttp": "HTTP client",
    "anthropic": HTTP_SDK,
    "azure-ai-inference": HTTP_SDK,
    "boto3": "remote models, through urllib3",
    "cohere": HTTP_SDK,
    "dspy": "remote models, through a client of its own",
    "fasttext-predict": "models in this process",
    "fasttext-wheel": "models in this process",
    "google-cloud-aiplatform": "remote models, through gRPC: calls and models, not tokens",
    "google-genai": HTTP_SDK,
    "groq": HTTP_SDK,
    "grpcio": "remote models, through gRPC: calls and models, not tokens",
    "httpx": "HTTP client",
    "httpx2": "HTTP client",
    "huggingface-hub": HTTP_SDK,
    "keras": "models in this process, on any backend",
    "langchain-anthropic": HTTP_SDK,
    "langchain-openai": HTTP_SDK,
    "lightgbm": "models in this process",
    "litellm": "remote models, through httpx and aiohttp",
    "llama-cpp-python": "models in this process",
    "mistralai": HTTP_SDK,
    "ollama": HTTP_SDK,
    "onnxruntime": "models in this process",
    "openai": HTTP_SDK,
    "optax": "training steps of jax: each outside jax.jit, inside it that there are some",
    "replicate": HTTP_SDK,
    "requests": "HTTP client",
    "scikit-learn": "models in this process",
    "sentence-transformers": "models in this process, through torch",
    "spacy": "models in this process",
    "tflite-runtime": "models in this process",
    "together": HTTP_SDK,
    "torch": "models in this process",
    "transformers": "models in this process, through torch",
    "urllib3": "HTTP client",
    "vcrpy": "replays calls from cassettes",
    "voyageai": HTTP_SDK,
    "websockets": "realtime models, through websockets: calls and models, not tokens",
    "xgboost": "models in this process",
    "xllamacpp": "models in this process",
}
NOT_WATCHED_YET: Mapping[str, str] = {
    "jax": "models in this process (training steps of optax are seen)",
    "tensorflow": "models in this process (those of keras are seen)",
}
