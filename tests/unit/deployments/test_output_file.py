import os
import socket
from pathlib import Path

import pytest

from deployments.command_line import output_file
from deployments.command_line.exit_codes import OperationFailed, RequestRejected


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_only_on_commit(tmp_path: Path) -> None:
    with output_file.open_output(str(tmp_path / "a.csv"), False, "b.csv") as output:
        output.write(b"1\n")
        assert "a.csv" not in names(tmp_path)
        output.commit()
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"1\n"


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_an_error_before_the_commit_leaves_no_file(tmp_path: Path, end: type[BaseException]) -> None:
    def write_and_raise() -> None:
        with output_file.open_output(str(tmp_path / "a.csv"), False, "b.csv") as output:
            output.write(b"1\n")
            raise end

    with pytest.raises(end):
        write_and_raise()
    assert names(tmp_path) == []


def test_a_file_created_during_the_download_is_kept(tmp_path: Path) -> None:
    with output_file.open_output(str(tmp_path / "a.csv"), False, "b.csv") as output:
        output.write(b"1\n")
        (tmp_path / "a.csv").write_text("theirs")
        with pytest.raises(RequestRejected, match="exists"):
            output.commit()
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "theirs"


def test_a_dangling_symlink_counts_as_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("nowhere")
    with pytest.raises(RequestRejected, match="exists"):
        output_file.check_output(str(tmp_path / "a.csv"), force=False)


def test_a_device_needs_no_force() -> None:
    output_file.check_output("/dev/null", force=False)
    with output_file.open_output("/dev/null", False, "b.csv") as output:
        output.write(b"1\n")
        output.commit()
    assert output.label == "/dev/null"
    assert Path("/dev/null").is_char_device()


def test_a_pipe_receives_the_data(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with output_file.open_output(str(tmp_path / "pipe"), False, "b.csv") as output:
        output.write(b"1\n")
        output.commit()
    assert os.read(reader, 9) == b"1\n"
    os.close(reader)
    assert names(tmp_path) == ["pipe"]


def test_a_socket_is_rejected_even_with_force(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(RequestRejected, match="is not a file, a device or a pipe"):
            output_file.check_output(str(tmp_path / "s"), force=True)


def test_an_unwritable_folder_fails_with_the_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(OperationFailed, match="No such file or directory"),
        output_file.open_output(str(tmp_path / "gone" / "a.csv"), False, "b.csv"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "safe"),
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
def test_a_file_name_from_the_service_is_never_a_path(name: str, safe: str) -> None:
    assert output_file.safe_name(name) == safe
