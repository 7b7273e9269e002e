# DPF 1.6 fills only the first output bus of a VST3. This compiles its wrapper with that part done for all buses, from a
# copy in the build folder; where DPF has other words there, STEMS_VST3_BUSES says so.
set(DPF_VST3 "${DPF_PATH}/distrho/src/DistrhoPluginVST3.cpp")
set(FIRST_BUS_ONLY [[
                for (int32_t j = 0; j < data->outputs->num_channels; ++j)
                {
                    while (!fEnabledOutputs[i] && i < DISTRHO_PLUGIN_NUM_OUTPUTS)
                        outputs[i++] = fDummyAudioBuffer;

                    DISTRHO_SAFE_ASSERT_INT_BREAK(i < DISTRHO_PLUGIN_NUM_OUTPUTS, i);
                    outputs[i++] = data->outputs->channel_buffers_32[j];
                }
]])
set(ALL_BUSES [[
                int32_t channel = 0;
                for (uint32_t bus = 0; i < DISTRHO_PLUGIN_NUM_OUTPUTS; ++i, ++channel)
                {
                    const uint32_t next = fPlugin.getAudioPort(false, i).busId;
                    if (next != bus) channel = 0;
                    bus = next;
                    const bool there = static_cast<int32_t>(bus) < data->num_output_buses
                        && channel < data->outputs[bus].num_channels && data->outputs[bus].channel_buffers_32 != nullptr
                        && data->outputs[bus].channel_buffers_32[channel] != nullptr;
                    outputs[i] = there ? data->outputs[bus].channel_buffers_32[channel] : fDummyAudioBuffer;
                }
]])
file(READ "${DPF_VST3}" wrapper)
string(FIND "${wrapper}" "${FIRST_BUS_ONLY}" place)
if(place EQUAL -1)
  set(STEMS_VST3_BUSES OFF)
else()
  set(STEMS_VST3_BUSES ON)
  set(MENDED "${CMAKE_CURRENT_BINARY_DIR}/vst3")
  string(REPLACE "${FIRST_BUS_ONLY}" "${ALL_BUSES}" wrapper "${wrapper}")
  file(GENERATE OUTPUT "${MENDED}/src/DistrhoPluginVST3.cpp" CONTENT "${wrapper}")
  configure_file("${DPF_PATH}/distrho/DistrhoPluginMain.cpp" "${MENDED}/DistrhoPluginMain.cpp" COPYONLY)
endif()

# Has a plugin's VST3 fill all of its buses.
function(fill_all_buses name)
  get_target_property(sources ${name}-vst3 SOURCES)
  list(TRANSFORM sources REPLACE ".*/DistrhoPluginMain\\.cpp$" "${MENDED}/DistrhoPluginMain.cpp")
  set_target_properties(${name}-vst3 PROPERTIES SOURCES "${sources}")
  target_include_directories(${name}-vst3 PRIVATE "${DPF_PATH}/distrho" "${DPF_PATH}/distrho/src")
endfunction()
