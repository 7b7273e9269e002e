"""`stems live`: changes the levels of the stems of what is playing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stems.cli.options import ModelName, OneSensitivity
from stems.cli.output import say
from stems.errors import OptionError


def live(
    source_name: Annotated[
        str | None,
        typer.Option("--input", metavar="DEVICE", help="Device to listen to; the system's own when left out."),
    ] = None,
    sink_name: Annotated[
        str | None,
        typer.Option("--output", metavar="DEVICE", help="Device to play on; the system's own when left out."),
    ] = None,
    drums_db: Annotated[float, typer.Option(metavar="DB", help="Level of the drums in dB; -inf removes them.")] = 0.0,
    bass_db: Annotated[float, typer.Option(metavar="DB", help="Level of the bass in dB.")] = 0.0,
    vocals_db: Annotated[float, typer.Option(metavar="DB", help="Level of the vocals in dB.")] = 0.0,
    other_db: Annotated[float, typer.Option(metavar="DB", help="Level of all the rest in dB.")] = 0.0,
    sensitivity: OneSensitivity = 1.0,
    channels: Annotated[int, typer.Option(min=1, max=2, help="Channels of both devices.")] = 2,
    block_size: Annotated[
        int, typer.Option(metavar="SAMPLES", min=1, help="Samples that are processed at once.")
    ] = 512,
    model: ModelName = "openband-live",
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show the audio devices, and no more.")] = False,
) -> None:
    """Change the levels of drums, bass, vocals and other while music plays, until stopped with Ctrl-C."""
    from pedalboard.io import AudioStream

    if list_devices:
        _show("Inputs", AudioStream.input_device_names, AudioStream.default_input_device_name)
        _show("Outputs", AudioStream.output_device_names, AudioStream.default_output_device_name)
        return
    source_name = _device(source_name, "input", AudioStream.input_device_names, AudioStream.default_input_device_name)
    sink_name = _device(sink_name, "output", AudioStream.output_device_names, AudioStream.default_output_device_name)

    import torch

    from stems.processors import Remix

    torch.set_num_threads(1)  # threads cost more than they bring where frames come one by one
    torch.set_flush_denormal(True)
    remix = Remix(drums_db, bass_db, vocals_db, other_db, sensitivity, model=model, live_model=model)
    latency = remix.latency_samples
    try:
        with (
            AudioStream(source_name, None, buffer_size=block_size, num_input_channels=channels) as source,
            AudioStream(None, sink_name, None, source.sample_rate, block_size, num_output_channels=channels) as sink,
        ):
            if sink.sample_rate != source.sample_rate:
                raise OptionError(
                    f"{source_name} runs at {source.sample_rate:g} Hz and {sink_name} at {sink.sample_rate:g} Hz: "
                    "set both to the same sample rate."
                )
            say(f"{source_name} -> {sink_name}, {1000 * latency / 44100:.0f} ms late; stop with Ctrl-C.")
            source.ignore_dropped_input = True  # a gap is better than an end
            while True:
                block = remix.process(source.read(block_size), source.sample_rate, reset=False)
                if block.shape[1]:
                    sink.write(block, source.sample_rate)
    except KeyboardInterrupt:
        say("Stopped.")


def _device(name: str | None, direction: str, there: list[str], usual: str | None) -> str:
    if not there:
        raise OptionError(f"This machine has no audio {direction} device: connect one and see --list-devices.")
    if name is None:
        return usual or there[0]
    if name not in there:
        raise OptionError(f"There is no audio {direction} device {name!r}: choose from {', '.join(there)}.")
    return name


def _show(title: str, names: list[str], usual: Any) -> None:
    say(f"{title}:")
    for name in names or ["(none)"]:
        say(f"  {name}{' (used when left out)' if name == usual else ''}")
