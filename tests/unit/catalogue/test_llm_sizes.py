"""Our reading of ecologits' file against the package's own repository."""

import logging

from pytest_aifootprint.catalogue import llm_sizes


def test_it_has_every_model_of_ecologits_with_the_same_size() -> None:
    before = logging.getLoggerClass()
    from ecologits.model_repository import ParametersMoE, models
    from ecologits.utils.range_value import RangeValue

    logging.setLoggerClass(before)

    def ends(value: RangeValue | float) -> tuple[float, float]:
        return (value.min, value.max) if isinstance(value, RangeValue) else (value, value)

    theirs = models.list_models()
    ours = llm_sizes()

    assert len(theirs) == len(ours)
    for model in theirs:
        size = ours[model.provider.value, model.name.lower()]
        parameters = model.architecture.parameters
        mixture = isinstance(parameters, ParametersMoE)
        assert size.active_b == ends(parameters.active if isinstance(parameters, ParametersMoE) else parameters)
        assert size.total_b == ends(parameters.total if isinstance(parameters, ParametersMoE) else parameters)
        assert mixture or size.active_b == size.total_b
        assert size.tps == (model.deployment.tps if model.deployment else None)
        assert size.ttft == (model.deployment.ttft if model.deployment else None)


def test_a_size_that_ecologits_guesses_is_not_disclosed() -> None:
    sizes = llm_sizes()

    assert not sizes["openai", "gpt-4o"].disclosed
    assert not sizes["anthropic", "claude-sonnet-4-5"].disclosed
    assert sizes["huggingface_hub", "openai/gpt-oss-20b"].disclosed
    assert sizes["mistralai", "mistral-large-2512"].disclosed
