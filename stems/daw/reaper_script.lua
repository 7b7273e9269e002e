-- Splits the selected items into stems, on tracks of their own under each item's track.
--
-- `stems plugin reaper` wrote this file. In REAPER: Actions > Show action list > New action > Load ReaScript,
-- choose it, give it a shortcut. Select one or more items and run it.

local COMMAND = "stems" -- COMMAND
local COLOURS = {} -- COLOURS

local separator = package.config:sub(1, 1)

local function fail(message)
  reaper.ShowMessageBox(message, "stems", 0)
end

local function quoted(text)
  if separator == "\\" then
    return '"' .. text .. '"'
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Returns whether the command went well, and what it printed.
local function run(...)
  local words = {}
  for _, word in ipairs({ ... }) do
    words[#words + 1] = quoted(word)
  end
  local line = table.concat(words, " ")
  if separator == "\\" then -- a shell would flash a console window
    local code, output = (reaper.ExecProcess(line, 0) or "1\n"):match("^(%-?%d+)\r?\n(.*)$")
    return code == "0", output or ""
  end
  local pipe = io.popen(line .. " 2>&1")
  local output = pipe:read("a")
  return pipe:close() == true, output
end

-- Returns the file behind a source and where in it, in seconds, the source starts.
local function file_of(source)
  local start = 0
  while reaper.GetMediaSourceType(source, "") == "SECTION" do
    local _, offset, _, reversed = reaper.PCM_Source_GetSectionInfo(source)
    if reversed then
      return nil
    end
    start = start + offset
    source = reaper.GetMediaSourceParent(source)
  end
  local path = reaper.GetMediaSourceFileName(source, "")
  return path ~= "" and path or nil, start
end

-- Returns the folder's stems: names and paths, drums, bass, other and vocals first.
local function stems_in(folder)
  local stems = {}
  for index = 0, math.huge do
    local file = reaper.EnumerateFiles(folder, index)
    if not file then
      break
    end
    if file:lower():match("%.wav$") then
      stems[#stems + 1] = { name = file:sub(1, -5), path = folder .. separator .. file }
    end
  end
  local function rank(stem)
    return COLOURS[stem.name] and COLOURS[stem.name].rank or math.huge
  end
  table.sort(stems, function(a, b)
    if rank(a) == rank(b) then
      return a.name < b.name
    end
    return rank(a) < rank(b)
  end)
  return stems
end

-- Puts one stem on a new track, cut, stretched and faded as the item it comes from.
local function add_track(index, stem, item, take, start)
  reaper.InsertTrackAtIndex(index, true)
  local track = reaper.GetTrack(0, index)
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", stem.name, true)
  local colour = COLOURS[stem.name]
  if colour then
    reaper.SetTrackColor(track, reaper.ColorToNative(colour.red, colour.green, colour.blue))
  end
  local new_item = reaper.AddMediaItemToTrack(track)
  for _, key in ipairs({ "D_POSITION", "D_LENGTH", "D_VOL", "D_FADEINLEN", "D_FADEOUTLEN", "B_LOOPSRC" }) do
    reaper.SetMediaItemInfo_Value(new_item, key, reaper.GetMediaItemInfo_Value(item, key))
  end
  local new_take = reaper.AddTakeToMediaItem(new_item)
  reaper.SetMediaItemTake_Source(new_take, reaper.PCM_Source_CreateFromFile(stem.path))
  reaper.GetSetMediaItemTakeInfo_String(new_take, "P_NAME", stem.name, true)
  for _, key in ipairs({ "D_VOL", "D_PAN", "D_PLAYRATE", "D_PITCH", "B_PPITCH" }) do
    reaper.SetMediaItemTakeInfo_Value(new_take, key, reaper.GetMediaItemTakeInfo_Value(take, key))
  end
  local offset = start + reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
  reaper.SetMediaItemTakeInfo_Value(new_take, "D_STARTOFFS", offset)
  return track
end

local function split(item)
  local take = reaper.GetActiveTake(item)
  if not take or reaper.TakeIsMIDI(take) then
    return fail("Select an audio item.")
  end
  local path, start = file_of(reaper.GetMediaItemTake_Source(take))
  if not path then
    return fail("This item is reversed or has no file of its own: glue it, then split the result.")
  end

  local folder = reaper.GetProjectPath() .. separator .. "stems-" .. reaper.genGuid(""):gsub("[{}]", "")
  local went_well, output = run(COMMAND, "split", path, "--out", folder, "--name", "{stem}.{ext}", "--format", "wav")
  local stems = went_well and stems_in(folder) or {}
  if #stems == 0 then
    return fail("Could not split " .. path .. "\n\n" .. output)
  end

  local parent = reaper.GetMediaItem_Track(item)
  local index = math.floor(reaper.GetMediaTrackInfo_Value(parent, "IP_TRACKNUMBER"))
  local depth = reaper.GetMediaTrackInfo_Value(parent, "I_FOLDERDEPTH")
  local last
  for number, stem in ipairs(stems) do
    last = add_track(index + number - 1, stem, item, take, start)
  end
  if depth < 1 then -- the item's track becomes the stems' folder
    reaper.SetMediaTrackInfo_Value(parent, "I_FOLDERDEPTH", 1)
    reaper.SetMediaTrackInfo_Value(last, "I_FOLDERDEPTH", depth - 1)
  end
  reaper.SetMediaItemInfo_Value(item, "B_MUTE", 1)
end

local items = {}
for index = 0, reaper.CountSelectedMediaItems(0) - 1 do
  items[#items + 1] = reaper.GetSelectedMediaItem(0, index)
end
if #items == 0 then
  return fail("Select an audio item.")
end
reaper.Undo_BeginBlock()
for _, item in ipairs(items) do
  split(item)
end
reaper.Undo_EndBlock("Split into stems", -1)
reaper.UpdateArrange()
