"""`--change`, as podman commit takes it: instructions to settings."""

from __future__ import annotations

from typing import Any

import pytest

from unionfs.errors import ImageError
from unionfs.images.instructions import changed

CASES: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, "CMD /bin/sh -c date", {"Cmd": ["/bin/sh", "-c", "/bin/sh -c date"]}),
    ({}, "CMD=/bin/date", {"Cmd": ["/bin/sh", "-c", "/bin/date"]}),
    ({"Cmd": ["x"]}, 'CMD ["/bin/date", "-u"]', {"Cmd": ["/bin/date", "-u"]}),
    ({"Cmd": ["x"]}, "CMD []", {"Cmd": []}),
    ({"Entrypoint": ["x"]}, "ENTRYPOINT=", {"Entrypoint": None}),
    ({}, 'entrypoint ["/init"]', {"Entrypoint": ["/init"]}),
    ({}, "ENV A=1", {"Env": ["A=1"]}),
    ({}, "ENV=A=1", {"Env": ["A=1"]}),
    ({"Env": ["A=0", "B=0"]}, 'ENV A="1 2" C=3', {"Env": ["B=0", "A=1 2", "C=3"]}),
    ({}, "ENV A 1 2", {"Env": ["A=1 2"]}),
    ({}, "ENV A=", {"Env": ["A="]}),
    ({"Labels": {"a": "0", "b": "0"}}, "LABEL a=1", {"Labels": {"a": "1", "b": "0"}}),
    ({}, 'LABEL org.x="a b"', {"Labels": {"org.x": "a b"}}),
    ({}, "USER 1000:1000", {"User": "1000:1000"}),
    ({}, "WORKDIR /srv", {"WorkingDir": "/srv"}),
    ({}, "EXPOSE 80 53/udp", {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
    ({"Volumes": {"/a": {}}}, "VOLUME /b /c", {"Volumes": {"/a": {}, "/b": {}, "/c": {}}}),
    ({}, 'VOLUME ["/with space"]', {"Volumes": {"/with space": {}}}),
    ({}, "STOPSIGNAL SIGINT", {"StopSignal": "SIGINT"}),
    ({"OnBuild": ["RUN a"]}, "ONBUILD RUN b", {"OnBuild": ["RUN a", "RUN b"]}),
    ({"Other": 1}, "USER x", {"Other": 1, "User": "x"}),
]


@pytest.mark.parametrize(("before", "instruction", "after"), CASES, ids=[case[1] for case in CASES])
def test_instructions(before: dict[str, Any], instruction: str, after: dict[str, Any]) -> None:
    kept = dict(before)
    assert changed(before, instruction) == after
    assert before == kept, "the settings that were there are another image's"


@pytest.mark.parametrize(
    "instruction",
    [
        *("", "CMD", "RUN x", "FROM y", "CMD [1]", "CMD [", "ENV =x", "ENV x", "ENV A=1 B", "LABEL"),
        *("WORKDIR srv", "EXPOSE http", "EXPOSE", 'ENV A="', "VOLUME "),
    ],
)
def test_what_is_none(instruction: str) -> None:
    with pytest.raises(ImageError, match="--change"):
        changed({}, instruction)
