"""The tree of classes: its files, its probabilities, and what a label means in it."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.losses import WordTree

NESTED = ["animal", ["dog", ["terrier", "hound", "spitz"], "cat"], "vehicle", ["car", "bus"], "tree"]
TREE = WordTree.from_nested(NESTED)
FILE = "animal -1\nvehicle -1\ntree -1\ndog 0\ncat 0\ncar 1\nbus 1\nterrier 3\nhound 3\nspitz 3\n"


def by_hand(logits):
    """Products of softmaxes among siblings."""
    p = {}
    for node, parent in enumerate(TREE.parents):
        siblings = [i for i, other in enumerate(TREE.parents) if other == parent]
        p[node] = np.exp(logits[node]) / np.exp(logits[siblings]).sum() * (1 if parent < 0 else p[parent])
    return np.array([p[i] for i in range(len(TREE))])


def test_nested_lists():
    assert TREE.names == ("animal", "vehicle", "tree", "dog", "cat", "car", "bus", "terrier", "hound", "spitz")
    assert TREE.parents == (-1, -1, -1, 0, 0, 1, 1, 3, 3, 3)
    assert [TREE.names[i] for i in np.flatnonzero(TREE.leaves)] == [
        "tree", "cat", "car", "bus", "terrier", "hound", "spitz"]


def test_a_file_of_darknet(tmp_path):
    file = tmp_path / "words.tree"
    file.write_text(FILE)
    assert WordTree.read(file) == TREE


@pytest.mark.parametrize(("text", "message"), [
    ("a -1\nb\n", r"words\.tree, line 2: expected a name and its parent's number, got 'b'"),
    ("a x\n", "line 1: expected a name and its parent's number, got 'a x'"),
    ("a 0\n", r"words\.tree: tree: a node must come after its parent, and there must be one; got the parent 0 of "),
    ("a -2\n", "got the parent -2 of node 0"),
    ("", "there must be one; got no node"),
    ("a -1\nb 0\nc -1\n", "siblings must follow each other, but the children of node -1 do not"),
    ("a -1\na -1\n", "a name for each of 2 nodes, all different; got 2, 1 of them different"),
])
def test_bad_files(tmp_path, text, message):
    file = tmp_path / "words.tree"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        WordTree.read(file)


def test_a_list_must_follow_a_name():
    with pytest.raises(ValueError, match=r"a list must follow a name, got \['b'\]"):
        WordTree.from_nested([["b"]])


def test_probabilities():
    logits = np.random.default_rng(0).normal(0, 2, (4, 5, 10))
    p = TREE.probabilities(logits)
    for place in np.ndindex(4, 5):
        np.testing.assert_allclose(p[place], by_hand(logits[place]), rtol=1e-12)
    np.testing.assert_allclose(p[..., TREE.leaves].sum(-1), 1)
    np.testing.assert_allclose(p[..., 7:].sum(-1), p[..., 3])  # the kinds of dog
    assert np.isfinite(F.tree_log_softmax(np.array([[1e4, -1e4, 0, 1e4, -1e4, 0, 0, 0, 0, 1e4]]), TREE.parents)
                       .numpy()).all()


@pytest.mark.parametrize("label", range(10))
def test_gradient_is_of_the_way_to_the_label_alone(label):
    """p - 1 or p given the parent, among the siblings of each node on the way; nothing below an inner node."""
    logits = np.random.default_rng(label).normal(0, 1, 10)
    x = Tensor(logits, requires_grad=True)
    (-TREE.log_probabilities(x)[label]).backward()
    want, p = np.zeros(10), by_hand(logits)
    for node in TREE.path(label):
        for i, parent in enumerate(TREE.parents):
            if parent == TREE.parents[node]:
                want[i] = p[i] / (p[parent] if parent >= 0 else 1) - (i == node)
    np.testing.assert_allclose(x.grad, want, atol=1e-12)
    step = 1e-6 * np.eye(10)
    slopes = [(np.log(by_hand(logits - s)[label]) - np.log(by_hand(logits + s)[label])) / 2e-6 for s in step]
    np.testing.assert_allclose(x.grad, slopes, atol=1e-8)


def test_labels_and_ways():
    labels = TREE.labels(["hound", "vehicle"])
    assert labels.tolist() == [8, 1]
    assert TREE.path(8) == [0, 3, 8]
    truths = TREE.truths([[8, 1], [-1, 3]])
    assert [np.flatnonzero(row).tolist() for row in truths.reshape(4, 10)] == [[0, 3, 8], [1], [], [0, 3]]
    assert truths.max() == 1
    with pytest.raises(ValueError, match=r"WordTree\.labels: 'wolf' is no name of this tree"):
        TREE.labels(["dog", "wolf"])


def test_deepest():
    logits = np.zeros((4, 10))
    logits[0, [0, 3]] = 9               # surely a dog, of no kind
    logits[1, [0, 3, 9]] = 9
    logits[2, 1] = 9                    # a vehicle: car or bus is open
    found = TREE.deepest(TREE.probabilities(logits), 0.6)
    assert [TREE.names[i] if i >= 0 else None for i in found] == ["dog", "spitz", "vehicle", None]


def test_another_number_of_nodes():
    with pytest.raises(ValueError, match=r"x must have 10 nodes along its last axis, got the shape \(2, 9\)"):
        TREE.log_probabilities(np.zeros((2, 9)))
