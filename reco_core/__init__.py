"""The PocketRec pipeline: pure stages, no HTTP, no queue, no database.

Read `reco_core.pipeline` first. This file imports nothing, so that the API can use `reco_core.config` and
`reco_core.datasets` without pulling in TensorFlow.
"""
