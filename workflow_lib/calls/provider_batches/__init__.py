"""Provider batches: the calls of many generations, handed to an endpoint's batch service at its lower price.

`buying` groups what is asked into batches, `tending` submits, waits and collects, `records` keeps what is known of each
batch on disk, so that a run that died goes on waiting, and `finding` looks for a batch whose id was never learned.
A style of service is a module with a row of `services.SERVICES`.

On disk, for each batch: its record in ``provider_batches/open/`` until it is collected, then in ``ended/``; and the
claim ``NNNN.request.json`` of each generation, which names the record and lives as long as it is open.
"""
