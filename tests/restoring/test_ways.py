"""Which way is chosen, on the borders between them."""

import dataclasses

import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.restoring import Task, Way, choose_way, memory

GB = 10**9
SMALL = Task(
    height=300, width=400, pixel_bytes=3, reduction=1, halo=0, context=0, strip_pixels=2**17
)
PHOTO = dataclasses.replace(SMALL, height=2160, width=3840, reduction=4)
TIFF = dataclasses.replace(PHOTO, file=True, reads_rows=True, writes_rows=True)
HUGE = dataclasses.replace(TIFF, height=16384, width=16384, reduction=32)


def name(task, **room):
    return choose_way(task, **{"memory": 24 * GB, **room}).name


@pytest.mark.parametrize(
    ("task", "changes", "room", "way"),
    [
        (SMALL, {}, {}, "whole"),
        (SMALL, {"strip_pixels": 300 * 400}, {}, "whole"),
        (SMALL, {"strip_pixels": 300 * 400 - 1}, {}, "strips"),
        (PHOTO, {}, {}, "strips"),
        (PHOTO, {}, {"memory": None}, "strips"),
        (TIFF, {}, {}, "strips"),
        (HUGE, {}, {}, "stream"),
        (HUGE, {}, {"memory": None}, "stream"),
        (HUGE, {}, {"memory": 2 * GB}, "stream"),
        (HUGE, {"height": 8192, "width": 8192}, {}, "strips"),  # no more than 2^26 pixels
        (HUGE, {"height": 8192, "width": 8193}, {}, "stream"),
        (HUGE, {"reads_rows": False}, {}, "strips"),
        (HUGE, {"writes_rows": False}, {}, "strips"),
        (
            HUGE,
            {"reads_rows": False},
            {"memory": 9 * GB // 2},
            "stream",
        ),  # only the result in parts
        (HUGE, {"height": 2**24, "width": 16384, "reduction": 32}, {}, "stream"),
        # All of it as floats before, but then in parts.
        (HUGE, {"reduction": 1}, {}, "stream"),
        (PHOTO, {}, {"devices": 4, "device_memory": 8 * GB}, "devices"),
        (PHOTO, {}, {"devices": 4}, "devices"),
        (SMALL, {}, {"devices": 4}, "devices"),
        (HUGE, {}, {"devices": 4, "device_memory": 80 * GB}, "devices"),
        (HUGE, {}, {"devices": 4, "device_memory": 8 * GB}, "stream"),
        (PHOTO, {}, {"devices": 4, "device_memory": GB}, "strips"),
        (PHOTO, {}, {"devices": 4, "memory": 2 * GB}, "strips"),  # they share that
    ],
)
def test_ways(task, changes, room, way):
    assert name(dataclasses.replace(task, **changes), **room) == way


def test_memory_of_a_stream_does_not_grow_with_the_height():
    needed = [
        choose_way(dataclasses.replace(HUGE, height=height, reduction=64), memory=None).memory
        for height in (2**14, 2**15)
    ]
    assert needed[1] - needed[0] <= 2**15 * 2**14 * 24 // 64**2  # what the networks read


def test_maps_are_held_beside_the_picture():
    """Two planes of float32, their copies for files, and what is encoded."""
    plain, mapped = (
        choose_way(dataclasses.replace(PHOTO, maps=maps), memory=None).memory
        for maps in (False, True)
    )
    assert mapped - plain == 32 * 2160 * 3840
    with pytest.raises(InputError, match=r"8\.6 GB of it for its maps;"):
        choose_way(dataclasses.replace(HUGE, maps=True, writes_rows=False), memory=8 * GB)


def test_reasons():
    assert choose_way(HUGE, memory=None).reason == "it is so large that holding it gains nothing"
    tight = choose_way(dataclasses.replace(HUGE, reads_rows=False), memory=9 * GB // 2)
    assert tight.reason.startswith("holding it takes 3.")
    assert choose_way(PHOTO, memory=None, devices=2).reason == "they have room for it"


@pytest.mark.parametrize(
    ("task", "room", "pattern"),
    [
        (
            dataclasses.replace(HUGE, reduction=1),
            4 * GB,
            r"restoring 16384 x 16384 needs 7\.\d GB of memory, 7\.2 GB of it for what the "
            r"networks read; 3\.0 GB of the 4\.0 GB there are may be taken",
        ),
        (
            dataclasses.replace(SMALL, context=39 * GB),
            24 * GB,
            r"needs 39\.\d GB of memory, 39\.0 GB of it for what is kept of every step",
        ),
        (
            dataclasses.replace(HUGE, reads_rows=False, writes_rows=False),
            2 * GB,
            r"needs 3\.\d GB of memory, 3\.2 GB of it for the picture;",
        ),
        (dataclasses.replace(TIFF, segment_bytes=GB), 10**8, r"2\.0 GB of it for the picture;"),
        (dataclasses.replace(SMALL, width=10**6, halo=64), GB, "for the strips under way;"),
    ],
)
def test_nothing_fits(task, room, pattern):
    with pytest.raises(InputError, match=pattern) as caught:
        choose_way(task, memory=room)
    assert caught.value.subject == "picture"


def test_only_small_pictures_are_read_ahead():
    assert choose_way(TIFF, memory=24 * GB).ahead
    assert not choose_way(TIFF, memory=2 * GB).ahead
    assert not choose_way(HUGE, memory=None).ahead
    assert isinstance(choose_way(TIFF, memory=None), Way)


class TestAvailableMemory:
    def make(self, root, files):
        for path, text in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    @pytest.fixture
    def machine(self, tmp_path):
        self.make(tmp_path, {"proc/meminfo": "MemTotal: 900 kB\nMemAvailable:     500 kB\n"})
        return tmp_path

    def test_of_the_machine(self, machine):
        assert memory.available_memory(machine) == 500 * 1024

    def test_not_known(self, tmp_path):
        assert memory.available_memory(tmp_path) is None

    def test_of_this_machine(self):
        available = memory.available_memory()
        assert available is None or available > 10**6

    @pytest.mark.parametrize("group", ["0::/job/step", "0::/", "0::/../elsewhere"])
    def test_of_a_group(self, machine, group):
        """The one that leaves least, whose files in memory can go; seen from in a container too."""
        at = "sys/fs/cgroup" if group != "0::/job/step" else "sys/fs/cgroup/job"
        self.make(
            machine,
            {
                "proc/self/cgroup": f"{group}\n",
                f"{at}/memory.max": "100000\n",
                f"{at}/memory.current": "60000\n",
                f"{at}/memory.stat": "anon 1\ninactive_file 7000\n",
                "sys/fs/cgroup/job/step/memory.max": "max\n",
                "sys/fs/cgroup/job/step/memory.current": "50000\n",
            },
        )
        assert memory.available_memory(machine) == 47000

    def test_of_an_older_group(self, machine):
        at = "sys/fs/cgroup/memory"
        self.make(
            machine,
            {
                "proc/self/cgroup": "5:cpu:/job\n4:memory:/job\n0::/\n",
                f"{at}/job/memory.limit_in_bytes": "100000\n",
                f"{at}/job/memory.usage_in_bytes": "99000\n",
                f"{at}/memory.limit_in_bytes": "9223372036854771712\n",
                f"{at}/memory.usage_in_bytes": "99000\n",
            },
        )
        assert memory.available_memory(machine) == 1000
