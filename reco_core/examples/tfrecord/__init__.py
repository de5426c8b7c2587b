"""TFRecord files and vocabularies as TensorFlow's on-device recommendation example makes them, without TensorFlow.

    tables          ids as integers, titles, genres and years of the items
    pool            byte strings as ranges of one array; no loop over examples, none over interactions
    fields, layouts, serialize      tf.Example messages
    crc32c, framing                 TFRecord's frame around them
    vocabularies                    movie_vocab.json and the like
    write           all of it

docs/decisions/0009-tfrecord-output.md says what is equal to the original's output, and what isn't.
"""

from reco_core.examples.tfrecord.write import write_tfrecords

__all__ = ["write_tfrecords"]
