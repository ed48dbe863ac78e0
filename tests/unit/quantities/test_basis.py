"""The basis of a sum is the worst among its large parts."""

from pytest_aifootprint.quantities import Basis, basis_of_sum


def test_a_small_bad_part_does_not_taint_the_sum() -> None:
    assert basis_of_sum([(95, Basis.MEASURED), (5, Basis.ASSUMED)]) is Basis.MEASURED


def test_a_large_bad_part_does() -> None:
    assert basis_of_sum([(80, Basis.MEASURED), (20, Basis.ESTIMATED)]) is Basis.ESTIMATED


def test_nothing_has_no_basis_and_zeros_have_their_worst() -> None:
    assert basis_of_sum([]) is None
    assert basis_of_sum([(0, Basis.MEASURED), (0, Basis.MODELLED)]) is Basis.MODELLED
