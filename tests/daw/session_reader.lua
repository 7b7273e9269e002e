-- Tells what Ardour makes of a session, one fact a line, for test_ardour.py.
local folder, name = arg[1], arg[2]
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(folder, name)
assert(session, "Ardour does not load the session")

local function say(...)
  local words = { "FACT" }
  for _, word in ipairs({ ... }) do
    words[#words + 1] = tostring(word)
  end
  print(table.concat(words, "\t"))
end

say("rate", session:nominal_sample_rate())
for route in session:get_routes():iter() do
  local track = route:to_track()
  if not track:isnil() then
    local output = route:output()
    local wired = output:audio(0):connected_to("Master/audio_in 1")
    local gain = route:gain_control():get_value()
    local colour = route:presentation_info_ptr():color()
    say("track", route:name(), route:muted(), colour, gain, wired)
    for region in track:playlist():region_list():iter() do
      local sound = region:to_audioregion():to_readable()
      say("region", region:position():samples(), region:length():samples(), sound:n_channels())
    end
  end
end
for location in session:locations():list():iter() do
  local kind = location:is_mark() and "mark" or "range"
  say(kind, location:name(), location:start():samples(), location:_end():samples())
end
local map, zero = Temporal.TempoMap.read(), Temporal.timepos_t(0)
local meter = map:meter_at(zero)
say("tempo", map:tempo_at(zero):quarter_notes_per_minute(), meter:divisions_per_bar(), meter:note_value())
close_session()
quit()
