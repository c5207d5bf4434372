"""Tables of the catalogue: what AstrID knows, and how one thing leads to another.

::

    surveys ─ source_files
    surveys ─ calibration_masters ─ frame_masters ─ observations
    surveys ─ observations ─ preprocess_runs ─ difference_runs ─ candidates ─ detections
                    │              │                 │                        │  │  │
                field_anchors  reference_members ─ reference_frames    objects  │  │
                                                            detection_scores ───┘  │
                                                            validation_events ─────┤
                                                            drawn_masks ───────────┤
                       votes, labels, review_items, former_detections (views) ─────┤
                                                            review_leases ─────────┤
      training_datasets ─ training_samples ────────────────────────────────────────┘
             ├─ training_runs ─ models ─ deployments
             └─ searches ─ search_trials
    objects ─ forced_fluxes ─ difference_runs ─ injected_transients
    name_counters: names of objects that were given, by year
    tracklets: detections of a night that move
    gate_verdicts, night_summaries: per survey × night × asset
    reviewers ─ reviewer_tokens, reviewer_sessions

Every id is a UUID5 of the row's natural key (`ids.py`), so running anything twice
writes the same rows. Object columns (``*_key``) name immutable, content-addressed
objects. Works on SQLite and PostgreSQL; migrations/ holds the Alembic history.
"""
