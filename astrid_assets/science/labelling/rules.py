"""The declared rules of labelling: how many votes, whose weigh more, what is shown.

They stand in the survey's profile under ``[labels]``, so a label can be explained by
what was declared when it was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from astrid_assets.science.settings import Settings, is_off

if TYPE_CHECKING:
    from typing import Self

KINDS = ("uncertain", "random", "disputed", "second", "repeat", "gold", "confirm")
"""Why a candidate is shown. Uncertain: its score is near the model's threshold;
random: of the random sample, the only unbiased measure of purity; disputed: votes
disagree; second: wants a second reviewer; repeat: one's own, again; gold: known from
a simulation's truth or a catalogue; confirm: fewer reviewers call it real than
references need."""

CONFIRM_SHARE = 0.05

State = Literal["new", "second", "disputed", "retired", "capped"]


class ConsensusRules(Settings):
    """When votes make a label, and when no more reviews are needed."""

    method: Literal["majority", "dawid_skene"] = Field(
        default="majority",
        description="majority: weighted share of the votes; dawid_skene: also learns from the "
        "votes how reliable each reviewer is",
    )
    votes: int = Field(
        default=2,
        ge=1,
        description="real or bogus votes that a candidate shown to two reviewers needs",
    )
    min_agreement: float = Field(
        default=2 / 3,
        gt=0.5,
        le=1,
        description="share of the vote weight that a label needs: disputed below it (1:1 is a "
        "dispute, 2:1 is decided)",
    )
    max_votes: int = Field(
        default=5,
        ge=1,
        description="number of votes: a candidate that is still disputed at it is not shown any "
        "more",
    )
    expert_weight: float = Field(
        default=2.0, ge=1, description="weight of an expert's vote; the others count 1"
    )
    double_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="share of the candidates that two reviewers see; the others are decided by one",
    )
    sample_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of the candidates that form the random sample: shown for no other "
        "reason before their first vote",
    )
    repeat_after_hours: float = Field(
        default=12.0, ge=0, description="hours after one's own vote: a repeat is not shown earlier"
    )
    lease_minutes: float = Field(
        default=15.0,
        gt=0,
        description="minutes for which a candidate on one screen is not given to another",
    )
    uncertain: float = Field(
        default=0.4,
        ge=0,
        description="share of the queue with candidates whose score is near the model's threshold",
    )
    random: float = Field(
        default=0.25, ge=0, description="share of the queue with candidates of the random sample"
    )
    disputed: float = Field(
        default=0.15, ge=0, description="share of the queue with candidates on which votes disagree"
    )
    second: float = Field(
        default=0.1,
        ge=0,
        description="share of the queue with candidates that want a second reviewer",
    )
    repeat: float = Field(
        default=0.05,
        ge=0,
        description="share of the queue with candidates that the same reviewer has seen before",
    )
    gold: float = Field(
        default=0.05,
        ge=0,
        description="share of the queue with candidates whose label is known from a simulation "
        "or a catalogue",
    )
    confirm: float = Field(
        default=CONFIRM_SHARE,
        ge=0,
        # The labels of finished nights do not depend on it.
        exclude_if=lambda share: share == CONFIRM_SHARE,
        description="share of the queue with candidates that others call real, but fewer than "
        "known_transient_reviewers under [reference]",
    )
    undecided_odds: float | None = Field(
        default=None,
        gt=1,
        le=1000,
        exclude_if=is_off,
        description="a score whose odds are within this factor of those at the model's threshold "
        "is not decided, neither real nor bogus, and comes first among the uncertain; 3 about a "
        "threshold of 0.5: from 0.25 to 0.75; None: every score decides",
    )

    @model_validator(mode="after")
    def _something_is_shown(self) -> Self:
        if sum(self.shares.values()) <= 0:
            raise ValueError(f"one of the shares {', '.join(KINDS)} must be above 0")
        if self.max_votes < self.votes:
            raise ValueError(f"max_votes ({self.max_votes}) must not be below votes ({self.votes})")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of each kind, as declared; they need not sum to 1."""
        return {kind: float(getattr(self, kind)) for kind in KINDS}


DEFAULT_RULES = ConsensusRules.model_validate({})


def queue_state(
    n_decisive: int, n_votes: int, agreement: float, wanted: int, rules: ConsensusRules
) -> State:
    """Return the state of a candidate in the review queue after its votes.

    Parameters
    ----------
    n_decisive, n_votes
        Standing votes for real or bogus, and all standing votes (unsure too).
    agreement
        Weight share of the leading label among the decisive votes; any value when there are
        none.
    wanted
        Decisive votes it needs.
    rules
        Limits of agreement and of the number of votes.

    Returns
    -------
    state
        One of `State`.
    """
    if n_decisive and n_decisive >= wanted and agreement >= rules.min_agreement - 1e-9:
        return "retired"
    if n_votes >= rules.max_votes:
        return "capped"
    if n_decisive == 0:
        return "new"
    return "disputed" if agreement < rules.min_agreement - 1e-9 else "second"
