import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dehaze_jax.training import Collective, find_collectives

P = PartitionSpec
DEVICES = 4


def make(*sizes):
    names = ("data", "space")[: len(sizes)]
    return jax.make_mesh(sizes, names, axis_types=(AxisType.Auto,) * len(sizes))


def collectives(function, mesh, where, shape, to=None):
    array = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, where))
    out = None if to is None else NamedSharding(mesh, to)
    return find_collectives(jax.jit(function, out_shardings=out).lower(array).compile().as_text())


def in_pieces(function, mesh, where, to, shape):
    """Each device works on its own piece."""
    mapped = jax.shard_map(function, mesh=mesh, in_specs=where, out_specs=to, check_vma=False)
    return collectives(mapped, mesh, where, shape)


@pytest.mark.devices
class TestCompiled:
    """Programs whose collectives are known."""

    def test_none(self):
        assert collectives(lambda x: 2 * x, make(4), P("data"), (8, 3)) == []

    def test_a_sum_over_all(self):
        (found,) = collectives(lambda x: x.sum(0), make(4), P("data"), (8, 3), P())
        assert found.kind == "all-reduce"
        assert found.shapes == (("f32", (3,)),)
        assert (found.bytes, found.times) == (12, 1)
        assert sorted(map(set, found.groups or ())) == [{0, 1, 2, 3}]
        assert found.sent(DEVICES) == 2 * 3 / 4 * 12
        assert "reduce_sum" in found.source

    @pytest.mark.parametrize(
        ("where", "groups"),
        [(P("data"), {(0, 2), (1, 3)}), (P(None, "space"), {(0, 1), (2, 3)})],
        ids=["data", "space"],
    )
    def test_a_sum_over_one_axis(self, where, groups):
        axis = 0 if where == P("data") else 1
        (found,) = collectives(lambda x: x.sum(axis), make(2, 2), where, (4, 6), P())
        assert {tuple(sorted(group)) for group in found.groups or ()} == groups
        assert found.sent(DEVICES) == found.bytes == 4 * (6 if axis == 0 else 4)

    def test_gathering(self):
        (found,) = collectives(lambda x: x, make(4), P("data"), (8, 3), P())
        assert (found.kind, found.bytes) == ("all-gather", 96)
        assert found.sent(DEVICES) == 3 / 4 * 96

    def test_rows_from_a_neighbour(self):
        pairs = [(0, 1), (1, 2), (2, 3)]
        (found,) = in_pieces(
            lambda x: jax.lax.ppermute(x[-1:], "data", pairs), make(4), P("data"), P("data"), (8, 3)
        )
        assert (found.kind, found.groups) == ("collective-permute", tuple(pairs))
        assert found.sent(DEVICES) == found.bytes == 12

    def test_scattering_a_sum(self):
        (found,) = in_pieces(
            lambda x: jax.lax.psum_scatter(x, "data", tiled=True), make(4), P(), P("data"), (8, 3)
        )
        assert (found.kind, found.bytes) == ("reduce-scatter", 24)
        assert found.sent(DEVICES) == 3 / 4 * 96  # of what goes in

    def test_from_rows_to_columns(self):
        (found,) = in_pieces(
            lambda x: jax.lax.all_to_all(x, "data", 1, 0, tiled=True),
            make(4),
            P("data"),
            P(None, "data"),
            (8, 12),
        )
        assert (found.kind, found.bytes) == ("all-to-all", 8 * 3 * 4)
        assert found.sent(DEVICES) == 3 / 4 * 96

    def test_loops_multiply(self):
        def inner(x, _):
            return x + jax.lax.psum(x, "data"), None

        def outer(x, _):
            return jax.lax.scan(inner, x, length=3)[0], None

        (found,) = in_pieces(
            lambda x: jax.lax.scan(outer, x, length=5)[0], make(4), P("data"), P("data"), (4, 7)
        )
        assert (found.kind, found.bytes, found.times) == ("all-reduce", 28, 15)

    def test_a_loop_of_unknown_length(self):
        def step(x):
            return x + jax.lax.psum(x, "data")

        found = in_pieces(
            lambda x: jax.lax.while_loop(lambda x: x.sum() < 9, step, x),
            make(4),
            P("data"),
            P("data"),
            (4, 7),
        )
        assert [each.times for each in found] == [None]

    def test_conditions_count_all_ways(self):
        def either(x):
            return jax.lax.cond(
                x[0, 0] > 0, lambda: jax.lax.psum(x, "data"), lambda: jax.lax.pmax(x, "data")
            )

        found = in_pieces(either, make(4), P("data"), P("data"), (4, 7))
        assert [each.times for each in found] == [1, 1]


TEXT = """HloModule jit_step, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {{
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}}

%async (p: f32[16]) -> f32[2] {{
  %p = f32[16]{{0}} parameter(0)
  ROOT %scatter = f32[2]{{0}} reduce-scatter(%p), replica_groups={{{{0,1,2,3}}}}, to_apply=%add
}}

ENTRY %main (x: f32[2,3]) -> f32[2,3] {{
  %x = f32[2,3]{{1,0}} parameter(0)
  {line}
  ROOT %copy = f32[2,3]{{1,0}} copy(%x)
}}
"""


def read(line):
    return find_collectives(TEXT.format(line=line))


@pytest.mark.parametrize(
    ("line", "kind", "shapes"),
    [
        (
            "%s = (f32[2,3]{1,0}, bf16[8,3]{1,0}) all-gather-start(%x), replica_groups={{0,1}}",
            "all-gather",
            (("bf16", (8, 3)),),
        ),
        (
            "%s = ((f32[2], s8[3]), (f32[4], s8[6])) all-gather-start(%x, %y), "
            "replica_groups=[1,2]<=[2]",
            "all-gather",
            (("f32", (4,)), ("s8", (6,))),
        ),
        (
            "%s = (f32[2,3]{1,0:T(8,128)}, f32[2,3]{1,0:T(8,128)S(1)}, u32[], u32[]) "
            "collective-permute-start(%x), source_target_pairs={{0,1},{1,0}}",
            "collective-permute",
            (("f32", (2, 3)),),
        ),
        (
            "%s = (f32[], /*index=1*/f32[5,2]{1,0}) all-reduce-start(%x, %y), "
            "replica_groups={{0,1}}, to_apply=%add",
            "all-reduce",
            (("f32", ()), ("f32", (5, 2))),
        ),
        (
            "%s = ((f32[16]), f32[2], s32[]) async-start(%x), calls=%async",
            "reduce-scatter",
            (("f32", (2,)),),
        ),
    ],
    ids=["gather", "several", "permute", "reduce", "wrapped"],
)
def test_halves_that_run_in_the_background_count_once(line, kind, shapes):
    done = line.split("(%")[0].split()[-1].replace("-start", "-done")
    (found,) = read(f"{line}\n  %d = f32[2,3] {done}(%s)")
    assert (found.kind, found.shapes, found.times) == (kind, shapes, 1)


@pytest.mark.parametrize(
    ("named", "groups"),
    [
        ("{}", None),
        ("{{0,1},{2,3}}", ((0, 1), (2, 3))),
        ("[2,2]<=[4]", ((0, 1), (2, 3))),
        ("[2,2]<=[2,2]T(1,0)", ((0, 2), (1, 3))),
        ("[2,4]<=[2,2,2]T(1,0,2)", ((0, 1, 4, 5), (2, 3, 6, 7))),
        ("mesh['a'=2,'b'=2] {'b'}", ((0, 1), (2, 3))),
        ("mesh['a'=2,'b'=2] {'a'}", ((0, 2), (1, 3))),
        ("mesh['a'=2,'b'=2], device_ids=([2,2]T(1,0)) {'a'}", ((0, 1), (2, 3))),
        ("mesh['a'=2,'b'=2], device_ids=([2,2]<=[4]) {'a','b'}", ((0, 1, 2, 3),)),
        ("mesh['a'=8] {'a':(2)2}", ((0, 2), (1, 3), (4, 6), (5, 7))),
        ("mesh['a'=8] {'a':(1)2}", ((0, 4), (1, 5), (2, 6), (3, 7))),
    ],
)
def test_devices_by_all_their_names(named, groups):
    (found,) = read(f"%r = f32[3] all-reduce(%x), replica_groups={named}, to_apply=%add")
    assert found.groups == groups


def test_a_device_by_itself_exchanges_nothing():
    assert read("%r = f32[3] all-reduce(%x), replica_groups={{0},{1}}, to_apply=%add") == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("%r = f32[3] all-reduce(%x), replica_groups=<new>", "not named in a known way"),
        ("%r = f3[3] all-reduce(%x), replica_groups={}", "f3: no known type"),
    ],
)
def test_what_is_not_known_is_refused(line, reason):
    with pytest.raises(ValueError, match=reason):
        read(line)


def test_other_text_is_refused():
    with pytest.raises(ValueError, match="not the text of a compiled program"):
        find_collectives("module @jit_step {}")


def test_bytes_sent_in_a_ring():
    """Steps of a ring by hand: n - 1 to gather parts, and as many to add them up first."""
    whole = Collective("all-gather", (("f32", (12,)), ("bf16", (6,))), ((0, 1, 2),), 1, "")
    assert whole.bytes == 60
    sent = {
        kind: whole._replace(kind=kind).sent(6)
        for kind in ("all-gather", "all-reduce", "all-to-all", "collective-permute")
    }
    part = 60 / 3
    assert sent == {
        "all-gather": 2 * part,
        "all-reduce": 4 * part,
        "all-to-all": 2 * part,
        "collective-permute": 60,
    }
    assert whole._replace(kind="reduce-scatter").sent(6) == 2 * 60
    assert whole._replace(groups=None).sent(6) == pytest.approx(50)
    assert whole._replace(groups=((0, 1),)).sent(6) == pytest.approx(30)
