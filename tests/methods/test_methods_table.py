import dataclasses
import typing

import pytest

from dehaze_jax import methods


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_is_built_from_its_own_config(name):
    config = methods.METHODS[name].config()
    assert config.name == name
    assert methods.build(config, total_steps=5).name == name


def test_configs_are_frozen_and_keyword_only():
    for config in (methods.DehazeFlowConfig, methods.OptimiserConfig, methods.RestoreOptions):
        assert config.__dataclass_params__.frozen
        assert all(field.kw_only for field in dataclasses.fields(config))


def test_the_union_of_configs_is_complete():
    union = typing.get_args(methods.MethodConfig) or (methods.MethodConfig,)
    assert set(union) == {entry.config for entry in methods.METHODS.values()}
