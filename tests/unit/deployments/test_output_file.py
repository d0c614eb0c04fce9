from pathlib import Path

import pytest

from deployments.command_line import output_file
from deployments.command_line.exit_codes import Failed, Refused


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_nothing_stands_under_the_name_before_the_commit(tmp_path: Path) -> None:
    with output_file.opened(str(tmp_path / "a.csv"), False, "b.csv") as place:
        place.write(b"1\n")
        assert "a.csv" not in names(tmp_path)
        place.commit()
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"1\n"


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_what_ends_without_a_commit_leaves_nothing(tmp_path: Path, end: type[BaseException]) -> None:
    def broken_off() -> None:
        with output_file.opened(str(tmp_path / "a.csv"), False, "b.csv") as place:
            place.write(b"1\n")
            raise end

    with pytest.raises(end):
        broken_off()
    assert names(tmp_path) == []


def test_a_file_that_somebody_made_meanwhile_is_kept(tmp_path: Path) -> None:
    with output_file.opened(str(tmp_path / "a.csv"), False, "b.csv") as place:
        place.write(b"1\n")
        (tmp_path / "a.csv").write_text("theirs")
        with pytest.raises(Refused, match="exists"):
            place.commit()
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "theirs"


def test_a_dangling_link_is_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("nowhere")
    with pytest.raises(Refused, match="exists"):
        output_file.check(str(tmp_path / "a.csv"), force=False)


def test_a_device_is_no_file_even_by_force() -> None:
    with pytest.raises(Refused, match="is no file"):
        output_file.check("/dev/null", force=True)


def test_a_folder_that_cannot_be_written_to_is_told_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(Failed, match="No such file or directory"),
        output_file.opened(str(tmp_path / "gone" / "a.csv"), False, "b.csv"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("orders.csv", "orders.csv"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\x\\a.csv", "a.csv"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("a\x1b\n.csv", "a__.csv"),
        ("..", "export.csv"),
        ("", "export.csv"),
    ],
)
def test_the_services_name_is_never_a_path(name: str, bare: str) -> None:
    assert output_file.bare_name(name) == bare
