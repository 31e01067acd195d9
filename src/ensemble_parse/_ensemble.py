"""Several models as one: its settings, and the ways to ask it."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar, get_args, overload

from ensemble_parse._budget import Budget
from ensemble_parse._call import Panel, answer, fits
from ensemble_parse._consensus._paths import one_of
from ensemble_parse._decision import DecisionMaker, Vote
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._events import told
from ensemble_parse._format import response_format as prepare
from ensemble_parse._judge import Judge
from ensemble_parse._messages import conversation, example_turns
from ensemble_parse._models import Event, Pace, Request, Result
from ensemble_parse._processor import Processor, check_params, named, reweighed
from ensemble_parse._retry import is_positive, is_whole
from ensemble_parse._schedule import Patience
from ensemble_parse._sync import run_sync
from ensemble_parse._telemetry import workflow

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from os import PathLike

    from ensemble_parse._batch._items import Inputs, Item
    from ensemble_parse._batch._progress import Progress
    from ensemble_parse._client._protocol import Client, Fit
    from ensemble_parse._messages import Example
    from ensemble_parse._models import Messages
    from ensemble_parse.openai import Chat, Completions, OpenAIFace, SyncCompletions

T = TypeVar("T")

_SETTINGS: Final = (
    *("processors", "decision_maker", "pace", "deadline", "min_candidates", "budget", "strict"),
    *("examples", "shuffle_examples", "client", "name"),
)


class _Options(NamedTuple):
    """What a call is given besides its messages and its type."""

    model: str | None
    pass_reasoning: bool
    examples: Sequence[Example] | None
    budget: Budget | None
    params: dict[str, Any]


class Ensemble:
    """Several models, one request, one typed answer.

    Args:
        processors: who is asked, the most trusted first: LiteLLM model strings and ``Processor`` objects; or a
            number: so many samples of the model that the call names.
        decision_maker: how their answers become one. ``None`` is ``Vote()``: a vote on every field, ties falling to the
            order of trust. A string or ``Processor`` is ``Vote(arbiter=Judge(...))``: that model is asked about what
            has no majority, and only about that.
        pace: who is asked when. ``"parallel"``: all at once, the fastest. ``"thrifty"``: as few as may be enough, and
            more only where they disagree, so that ``[cheap, cheap, strong]`` is a cascade. ``"hedged"``: the same, but
            two at least, and the next one also after the third quartile of recent latencies. In every pace the rest is
            cancelled once the decision is settled, and whoever fails is followed by the next at once. ``None`` is
            ``"parallel"``, and ``"thrifty"`` for ``First``.
        deadline: seconds for the whole call. What is there by then is decided upon.
        min_candidates: fewer valid answers than this are no result.
        budget: what all calls together may spend, the judge's included; it may be shared with other ensembles.
        strict: raise ``DegradedResult`` where the result would be ``degraded``, and
            ``ConfigurationError`` for a parameter that a vendor does not take.
        examples: few-shot examples, ``(input, output)``, for every call; each processor and sample sees them in an
            order of its own, so that they make different mistakes.
        shuffle_examples: ``False`` keeps the order as given, the same for all.
        client: how models are reached; by default through LiteLLM.
        name: for results.
        params: model parameters for every processor; a processor's own win.

    Raises:
        ConfigurationError: it could not run as built.

    Examples:
        >>> Ensemble(["openai/gpt-5-mini", "gemini/gemini-2.5-flash"], decision_maker="openai/gpt-5")
        Ensemble(['openai/gpt-5-mini', 'gemini/gemini-2.5-flash'], decision_maker=Vote(arbiter=Judge('openai/gpt-5')))
    """

    def __init__(
        self,
        processors: int | Sequence[str | Processor] = 3,
        decision_maker: str | Processor | DecisionMaker | None = None,
        *,
        pace: Pace | None = None,
        deadline: float | None = None,
        min_candidates: int = 1,
        budget: Budget | None = None,
        strict: bool = False,
        examples: Sequence[Example] = (),
        shuffle_examples: bool = True,
        client: Client | None = None,
        name: str = "ensemble",
        **params: Any,
    ) -> None:
        """Check and keep the settings; nothing is imported and nobody is asked."""
        self.processors = _processors(processors)
        self.decision_maker = _decision_maker(decision_maker)
        if isinstance(self.decision_maker, Vote) and self.decision_maker.learned:
            # Whoever is still to answer must weigh as much as it will when it has.
            self.processors = reweighed(self.processors, self.decision_maker.learned.weight)
        if deadline is not None and not is_positive(deadline):
            message = f"deadline={deadline!r}: give seconds, more than 0, or None"
            raise ConfigurationError(message)
        most = sum(processor.n for processor in self.processors)
        if not is_whole(min_candidates, least=1) or min_candidates > most:
            message = f"min_candidates={min_candidates!r}: give 1 to {most}, the number of candidates asked for"
            raise ConfigurationError(message)
        if pace is not None and pace not in get_args(Pace):
            message = f"pace={pace!r}: {one_of(pace, get_args(Pace))}"
            raise ConfigurationError(message)
        check_params(params, "Ensemble", _SETTINGS)
        if isinstance(client, type):
            message = f"client: {client.__name__} is a class; write {client.__name__}(...)"
            raise ConfigurationError(message)
        if client is not None and not hasattr(client, "ask"):
            message = f"client={client!r}: give an object with the methods of Client, such as Cache()"
            raise ConfigurationError(message)
        own: Pace = getattr(self.decision_maker, "pace", "parallel")
        self.pace: Pace = pace or own
        self.deadline = deadline
        self.min_candidates = min_candidates
        self.budget = _budget(budget)
        self.strict = strict
        self.examples = tuple(examples)
        self.shuffle_examples = shuffle_examples
        self.name = name
        self.params = params
        self._client = client
        self._patience = Patience()
        self._exhaustive = False

    def __repr__(self) -> str:
        """Show who is asked and who decides; no parameter, since keys are among them."""
        who = [processor.name for processor in self.processors]
        return f"Ensemble({who!r}, decision_maker={self.decision_maker!r})"

    # -- as a file ------------------------------------------------------------------------------------------------

    @classmethod
    def from_config(
        cls, source: str | PathLike[str] | Mapping[str, Any], name: str | None = None, *, client: Client | None = None
    ) -> Self:
        """Build an ensemble from a TOML or YAML file, or from what ``to_config`` gave.

        Args:
            source: the path of a file, or a mapping.
            name: which of its ensembles; not needed where there is only one.
            client: how models are reached; by default through LiteLLM.

        Raises:
            ConfigurationError: the file, the table and the setting in which something is wrong, all of it at once.
        """
        from ensemble_parse.config import load

        return load(source, name, client=client, make=cls)

    def to_config(self) -> dict[str, Any]:
        """Give the settings as plain data, from which ``from_config`` builds an ensemble that behaves the same.

        Raises:
            ConfigurationError: something is no data, such as a decision maker of your own, or is a key.
        """
        from ensemble_parse.config import to_config

        return to_config(self)

    # -- asking ---------------------------------------------------------------------------------------------------

    @overload
    async def parse(self, messages: Messages, response_format: type[T], **options: Any) -> T: ...
    @overload
    async def parse(self, messages: Messages, response_format: Any, **options: Any) -> Any: ...
    async def parse(
        self,
        messages: Messages,
        response_format: Any,
        *,
        model: str | None = None,
        pass_reasoning: bool = False,
        examples: Sequence[Example] | None = None,
        budget: Budget | None = None,
        **params: Any,
    ) -> Any:
        """Ask all, decide, and return the answer.

        Args:
            messages: a text, or messages in OpenAI's format with text, image, file and audio parts.
            response_format: what the answer must be: a pydantic model, dataclass, TypedDict, ``list[X]``, ``Literal``,
                Enum, union or primitive.
            model: the model of processors that name none.
            pass_reasoning: let every model reason before it answers; the decision maker sees it, the answer does not
                change its type.
            examples: few-shot examples of this call, instead of the ensemble's.
            budget: what this call may spend, within the ensemble's own.
            params: model parameters of this call, such as ``temperature``; a processor's own win.

        Returns:
            An instance of ``response_format``.

        Raises:
            ConfigurationError: before any request: it could not run as asked.
            AllProcessorsFailed: no processor gave a valid answer.
            DecisionError: fewer than ``min_candidates`` did, or the decision maker could choose none.
            DeadlineExceeded: the deadline passed before there was anything to decide upon.
            BudgetExceeded: the budget holds no request at all.
        """
        result = await self.run(
            messages,
            response_format,
            model=model,
            pass_reasoning=pass_reasoning,
            examples=examples,
            budget=budget,
            **params,
        )
        return result.output

    @overload
    async def run(self, messages: Messages, response_format: type[T], **options: Any) -> Result[T]: ...
    @overload
    async def run(self, messages: Messages, response_format: Any, **options: Any) -> Result[Any]: ...
    async def run(
        self,
        messages: Messages,
        response_format: Any,
        *,
        model: str | None = None,
        pass_reasoning: bool = False,
        examples: Sequence[Example] | None = None,
        budget: Budget | None = None,
        **params: Any,
    ) -> Result[Any]:
        """Ask all, decide, and return everything about it.

        Args:
            messages: as for ``parse``, like everything else.
            response_format: what the answer must be.
            model: the model of processors that name none.
            pass_reasoning: let every model reason before it answers.
            examples: few-shot examples of this call.
            budget: what this call may spend.
            params: model parameters of this call.

        Raises:
            ConfigurationError, AllProcessorsFailed, DecisionError, DeadlineExceeded, BudgetExceeded: as for ``parse``.
        """
        return await self._run(
            messages, response_format, _Options(model, pass_reasoning, examples, budget, params), lambda _: None
        )

    def stream(
        self,
        messages: Messages,
        response_format: Any,
        *,
        model: str | None = None,
        pass_reasoning: bool = False,
        examples: Sequence[Example] | None = None,
        budget: Budget | None = None,
        **params: Any,
    ) -> AsyncGenerator[Event]:
        """Ask all, decide, and tell what happens meanwhile; the last event is ``decided`` and has the result.

        Leaving the loop early cancels the call: ``async with contextlib.aclosing(ensemble.stream(...)) as events``.

        Args:
            messages: as for ``parse``, like everything else.
            response_format: what the answer must be.
            model: the model of processors that name none.
            pass_reasoning: let every model reason before it answers.
            examples: few-shot examples of this call.
            budget: what this call may spend.
            params: model parameters of this call.

        Raises:
            EnsembleError: as for ``parse``, after the events that led to it.
        """
        options = _Options(model, pass_reasoning, examples, budget, params)
        return told(lambda tell: self._run(messages, response_format, options, tell))

    async def _run(
        self, messages: Messages, response_format: Any, options: _Options, tell: Callable[[Event], None]
    ) -> Result[Any]:
        with workflow(self.name, self.pace, messages, tell) as heard:
            return await self._call(messages, response_format, options, heard)

    async def _call(
        self, messages: Messages, response_format: Any, options: _Options, tell: Callable[[Event], None]
    ) -> Result[Any]:
        started = time.perf_counter()
        check_params(options.params, "parse", ("messages", "response_format", *_Options._fields[:-1]))
        format_ = prepare(response_format, reasoning=options.pass_reasoning)
        request: Request[Any] = Request(
            messages=conversation(messages),
            format=format_,
            examples=example_turns(self.examples if options.examples is None else options.examples, format_),
            shuffle_examples=self.shuffle_examples,
            params=self.params | options.params,
            model=options.model,
            strict=self.strict,
            budgets=tuple(each for each in (self.budget, _budget(options.budget)) if each is not None),
            tell=lambda event: tell(replace(event, seconds=time.perf_counter() - started)),
        )
        return await answer(self._panel, request, started)

    @overload
    def parse_sync(self, messages: Messages, response_format: type[T], **options: Any) -> T: ...
    @overload
    def parse_sync(self, messages: Messages, response_format: Any, **options: Any) -> Any: ...
    def parse_sync(self, messages: Messages, response_format: Any, **options: Any) -> Any:
        """``parse`` for code that does not await; works in threads, notebooks and inside a running loop."""
        return run_sync(self.parse(messages, response_format, **options))

    @overload
    def run_sync(self, messages: Messages, response_format: type[T], **options: Any) -> Result[T]: ...
    @overload
    def run_sync(self, messages: Messages, response_format: Any, **options: Any) -> Result[Any]: ...
    def run_sync(self, messages: Messages, response_format: Any, **options: Any) -> Result[Any]:
        """``run`` for code that does not await."""
        return run_sync(self.run(messages, response_format, **options))

    @overload
    def map(self, inputs: Inputs, response_format: type[T], **settings: Any) -> AsyncGenerator[Item[T], None]: ...
    @overload
    def map(self, inputs: Inputs, response_format: Any, **settings: Any) -> AsyncGenerator[Item[Any], None]: ...
    def map(
        self,
        inputs: Inputs,
        response_format: Any,
        *,
        concurrency: int = 8,
        ordered: bool = False,
        journal: str | os.PathLike[str] | None = None,
        progress: bool | Callable[[Progress], object] | None = None,
        **options: Any,
    ) -> AsyncGenerator[Item[Any], None]:
        """Ask about many inputs, and give each result as it is there; a failure is one item's, and ends nothing.

        Inputs are pulled as they are needed, so that memory does not grow with their number. To stop early, break out
        of ``async with contextlib.aclosing(ensemble.map(...)) as items``: what is under way is cancelled.

        Args:
            inputs: an iterable, or an async one, of texts, lists of messages, and dicts
                ``{"id": ..., "messages": ...}`` or ``{"id": ..., "input": ...}``. Ids are texts or whole numbers; the
                default is the position.
            response_format: as for ``parse``.
            concurrency: how many inputs are asked about at a time.
            ordered: give the items in the order of the inputs; up to four times ``concurrency`` of them are then held.
            journal: a file that keeps what came of every input. With the same file again, what has a result there is
                not asked again; what failed, and what has another input under its id, is.
            progress: ``True`` shows a bar on a terminal, and a line now and then elsewhere, on standard error; a
                function is called with a ``Progress`` after every item.
            options: as for ``parse``: ``model``, ``pass_reasoning``, ``examples`` and model parameters.

        Returns:
            An ``Item`` for every input: its id, its ``result`` or its ``error``.

        Raises:
            ConfigurationError: before any request: it could not run as asked, or the journal is another run's, or one
                of another schema or ensemble.
            OSError: the journal cannot be written any more.
        """
        from ensemble_parse.batch import mapped

        told = {"concurrency": concurrency, "ordered": ordered, "journal": journal, "progress": progress}
        return mapped(self, inputs, response_format, **told, **options)

    @overload
    def map_sync(self, inputs: Inputs, response_format: type[T], **settings: Any) -> Generator[Item[T], None, None]: ...
    @overload
    def map_sync(self, inputs: Inputs, response_format: Any, **settings: Any) -> Generator[Item[Any], None, None]: ...
    def map_sync(self, inputs: Inputs, response_format: Any, **settings: Any) -> Generator[Item[Any], None, None]:
        """``map`` for code that does not await; an iterable of inputs is pulled in the thread that takes the items."""
        from ensemble_parse.batch import mapped_sync

        return mapped_sync(self, inputs, response_format, **settings)

    @overload
    def batch(
        self, inputs: Inputs, response_format: type[T], *, journal: str | os.PathLike[str], **settings: Any
    ) -> AsyncGenerator[Item[T], None]: ...
    @overload
    def batch(
        self, inputs: Inputs, response_format: Any, *, journal: str | os.PathLike[str], **settings: Any
    ) -> AsyncGenerator[Item[Any], None]: ...
    def batch(
        self,
        inputs: Inputs,
        response_format: Any,
        *,
        journal: str | os.PathLike[str],
        poll: float = 30.0,
        window: str = "24h",
        live: bool = True,
        concurrency: int = 8,
        progress: bool | Callable[[Progress], object] | None = None,
        **options: Any,
    ) -> AsyncGenerator[Item[Any], None]:
        """Ask about many inputs in vendors' batches, which take up to a day and cost half as much.

        All inputs are pulled first. For each processor whose vendor has batches (OpenAI, and servers with its wire
        format) all requests are handed in together. When the last batch is over, the other processors are asked live,
        and it goes on like ``map``. Every processor is asked, whatever ``pace`` says. Whatever ends the process, the
        same call waits on for the same batches.

        Args:
            inputs: as for ``map``.
            response_format: as for ``parse``.
            journal: a file that keeps which batches were handed in, and what came of every input.
            poll: seconds between looks at the batches.
            window: how long the vendor may take; OpenAI takes ``"24h"``.
            live: ask again live, at the full price, where a batch has no valid answer: a row that failed or does not
                validate, a batch that failed or expired. With ``False`` that is the processor's failure.
            concurrency: how many inputs are decided upon, and asked about live, at a time.
            progress: as for ``map``, once the batches are over.
            options: as for ``parse``.

        Returns:
            An ``Item`` for every input, as they are ready.

        Raises:
            ConfigurationError: as for ``map``; or no processor's vendor has batches.
            ProviderError: a vendor refuses a batch, or the key. What was handed in by then is in the journal.
            OSError: the journal cannot be written any more.
        """
        from ensemble_parse.batch import batched

        told = {"journal": journal, "concurrency": concurrency, "progress": progress}
        return batched(self, inputs, response_format, poll=poll, window=window, live=live, **told, **options)

    def check_sync(self, response_format: Any, **options: Any) -> tuple[Fit, ...]:
        """``check`` for code that does not await."""
        return run_sync(self.check(response_format, **options))

    async def check(
        self, response_format: Any, *, model: str | None = None, pass_reasoning: bool = False
    ) -> tuple[Fit, ...]:
        """Say how a response type goes to each processor's vendor, and to the judge's, without sending anything.

        It also imports what the first call would, so that it serves to warm up a process.

        Raises:
            ConfigurationError: a vendor cannot take it; the message says which field, and why.
        """
        format_ = prepare(response_format, reasoning=pass_reasoning)
        request: Request[Any] = Request(
            messages=(), format=format_, params=self.params, model=model, strict=self.strict
        )
        return await fits(self._panel, request)

    # -- asking, in the words of an OpenAI client -----------------------------------------------------------------

    @property
    def chat(self) -> Chat[Completions]:
        """``chat.completions.parse`` of an ``openai.AsyncOpenAI``; see ``ensemble_parse.openai``."""
        return self.beta.chat

    @property
    def beta(self) -> OpenAIFace[Completions]:
        """``beta.chat.completions.parse``, where older code has it."""
        from ensemble_parse.openai import ask, face

        return face(partial(ask, self))

    @property
    def sync(self) -> OpenAIFace[SyncCompletions]:
        """The same for code that holds an ``openai.OpenAI``: ``sync.chat.completions.parse``."""
        from ensemble_parse.openai import ask, sync_face

        return sync_face(partial(ask, self))

    @property
    def _panel(self) -> Panel:
        return Panel(
            name=self.name,
            processors=self.processors,
            maker=self.decision_maker,
            client=self.client,
            pace=self.pace,
            patience=self._patience,
            deadline=self.deadline,
            min_candidates=self.min_candidates,
            strict=self.strict,
            exhaustive=self._exhaustive,
        )

    def exhaustive(self, client: Client, processors: Sequence[Processor]) -> Self:
        """The same ensemble over another client: all are asked at once, and every answer is waited for and counted."""
        twin = copy.copy(self)
        twin.processors = tuple(processors)
        twin.pace = "parallel"
        twin._client, twin._patience, twin._exhaustive = client, Patience(), True  # noqa: SLF001 - it is one of us
        return twin

    @property
    def client(self) -> Client:
        """How models are reached."""
        if self._client is None:
            from ensemble_parse._client._litellm import LiteLLMClient

            self._client = LiteLLMClient()
        return self._client


def _processors(processors: int | Sequence[str | Processor]) -> tuple[Processor, ...]:
    if isinstance(processors, int) and not isinstance(processors, bool):
        return named([Processor(n=processors)])
    if isinstance(processors, str) or not isinstance(processors, Sequence):
        message = f"processors={processors!r}: give a number, or a list of model strings and Processor objects"
        raise ConfigurationError(message)
    if not processors:
        message = "processors is empty: name at least one model, the most trusted first"
        raise ConfigurationError(message)
    for each in processors:
        if not isinstance(each, str | Processor):
            message = f"processors: {each!r} is neither a model string nor a Processor"
            raise ConfigurationError(message)
    return named([Processor(each) if isinstance(each, str) else each for each in processors])


# A text would name the model of a judge, and fail only where the models first disagree.
_BY_NAME: Final = {"first": "First()", "medoid": "Medoid()", "unanimous": "Unanimous()", "vote": "Vote()"}


def _decision_maker(maker: str | Processor | DecisionMaker | None) -> DecisionMaker:
    if maker is None:
        return Vote()
    if isinstance(maker, str) and (meant := _BY_NAME.get(maker.lower())):
        message = f"decision_maker={maker!r}: a text is the model string of a judge; write {meant}"
        raise ConfigurationError(message)
    if isinstance(maker, str | Processor):
        return Vote(arbiter=Judge(maker))
    if isinstance(maker, type):
        message = f"decision_maker: {maker.__name__} is a class; write {maker.__name__}(...)"
        raise ConfigurationError(message)
    if not isinstance(maker, DecisionMaker):
        message = f"decision_maker={maker!r}: give a model string, a Processor, or an object with a decide method"
        raise ConfigurationError(message)
    return maker


def _budget(budget: Budget | None) -> Budget | None:
    if budget is not None and not isinstance(budget, Budget):
        message = f"budget={budget!r}: give a Budget, such as Budget(usd=1.5), or None"
        raise ConfigurationError(message)
    return budget
