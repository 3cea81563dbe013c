"""Weights of the smallest detector in a file, and commands that use it."""
from tiny_detector import CLASSES, tiny_detector

from tinycnn import cli, random
from tinycnn.detection import Description, save_detector

ABOUT = Description("tiny_detector", {"num_classes": 2, "size": 32}, CLASSES, (5, 9))


def write_weights(path):
    """Of a detector that finds something nearly everywhere."""
    random.manual_seed(1)
    detector = tiny_detector()
    detector.classes.bias.data[...] = 0
    save_detector(path, detector, ABOUT)
    return path


def command(capsys, *arguments):
    """Run a command in this process: its exit code, and what it printed on stdout and stderr."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as left:  # how argparse ends
        code = left.code
    return code, *capsys.readouterr()
