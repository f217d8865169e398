"""Small graphs that need more memory than there is: the step fails, and the server continues."""
import tensorflow.compat.v1 as tf

from cases import case, expect, session


def doubled(kind, value):
    """A value concatenated with itself sixty times: more than any machine's memory."""
    for _ in range(60):
        if kind == "ConcatV2":
            value = tf.concat([value, value], 0)
        elif kind == "StringJoin":
            value = tf.strings.join([value, value])
        elif kind == "Add":
            value = tf.raw_ops.Add(x=value, y=value)
        else:
            value = tf.strings.regex_replace(value, "(?s).+", r"\0" * 64)  # Few ops: the search takes 50 ns a byte.
    return tf.size(value) if kind == "ConcatV2" else tf.strings.length(value)


@case(worker=1, weir_only=True, arguments=["--memory-limit", "256MB"], each={
    kind: dict(kind=kind) for kind in ["ConcatV2", "StringJoin", "Add", "RegexReplace"]})
def a_value_doubled_sixty_times_is_refused(cluster, kind):
    x = tf.placeholder(tf.float32 if kind == "ConcatV2" else tf.string, [None] if kind == "ConcatV2" else [])
    size, one = doubled(kind, x), tf.constant(1) + 1
    with session(cluster) as s:
        try:
            found = s.run(size, {x: [1.0] * 1024 if kind == "ConcatV2" else b"a" * 1024})
        except tf.errors.OpError as error:
            found = type(error).__name__
        expect(found, "ResourceExhaustedError")
        expect(s.run(one), 2)


@case(worker=1, weir_only=True, arguments=["--memory-limit", "256MB"])
def a_string_that_a_loop_doubles_is_refused(cluster):
    _, text = tf.while_loop(lambda i, s: i < 60, lambda i, s: (i + 1, tf.strings.join([s, s])), [0, tf.placeholder_with_default("abcd", [])])
    with session(cluster) as s:
        try:
            found = len(s.run(text))
        except tf.errors.OpError as error:
            found = type(error).__name__
        expect(found, "ResourceExhaustedError")
        expect(s.run(tf.constant(1) + 1), 2)


@case(worker=1)
def a_file_that_is_written_keeps_its_links_and_permissions(cluster):
    import os
    import stat
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        target, link, other = (os.path.join(folder, name) for name in ["target", "link", "other"])
        for path in [target, other]:
            with open(path, "w") as file:
                file.write("old")
        os.symlink(target, link)
        os.link(other, other + ".2")
        os.chmod(target, 0o640)
        with session(cluster) as s:
            s.run([tf.io.write_file(link, "new"), tf.io.write_file(other, "new")])
        expect(os.path.islink(link), True, "whether the link is one still")
        expect(open(target).read(), "new")
        expect(stat.S_IMODE(os.stat(target).st_mode), 0o640)
        expect(open(other + ".2").read(), "new", "through the other name")
