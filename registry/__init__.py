"""The only owner of state: projects, datasets, jobs, events, models and blobs.

Use it in this shape; every verb takes the session first, and what it returns is a frozen dataclass (`registry.records`)
that stays valid after the session has closed:

    database = Database(settings.database_url)
    with database.write() as session:
        job = jobs.create(session, type="train", dataset_id=dataset.id, config=config, model="shoes")
    with database.read() as session:
        page = jobs.list_page(session, "default", limit=20)

A worker holds a `Claim` (from `leases.claim`); each write that takes one raises `LeaseLost`, and changes nothing, when
another worker has taken the job since or the job has ended.
"""
