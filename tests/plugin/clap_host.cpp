// A CLAP host for tests: runs a file of samples through a plugin, and counts what its process call allocates or locks.
//
//     clap_host PLUGIN ID RATE BLOCK INPUT OUTPUT [--set NAME=VALUE]... [--load STATE]... [--then STATE]
//         [--set-then NAME=VALUE]... [--save STATE] [--seconds COUNT] [--window SCALE]
//
// `--then` loads a state after half of the input, while the plugin runs; `--set-then` sets a parameter there. INPUT and
// OUTPUT are raw float32, frame by frame, the ports side by side. BLOCK 0 takes blocks of random size, of up to 4096.
// `--seconds` plays the input over and over for as long, and writes no output. `--window` shows the plugin's window at a
// scale of the display until standard input ends.
// It prints its facts one by one, each a name and a value. With SANITIZED it counts nothing, which sanitizers forbid; with
// WINDOW it needs X11.
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/latency.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/plugin-factory.h"
#if defined(WINDOW)
#include "clap_window.hpp"
#endif

static thread_local bool watched = false;
static std::atomic<long> allocations{0}, locks{0};

#if !defined(SANITIZED)
extern "C" {
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t size) {
    allocations += watched;
    return __libc_malloc(size);
}
void free(void* place) {
    allocations += watched && place;
    __libc_free(place);
}
void* calloc(size_t count, size_t size) {
    allocations += watched;
    return __libc_calloc(count, size);
}
void* realloc(void* place, size_t size) {
    allocations += watched;
    return __libc_realloc(place, size);
}
void* memalign(size_t alignment, size_t size) {
    allocations += watched;
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** place, size_t alignment, size_t size) { return !(*place = memalign(alignment, size)); }
int pthread_mutex_lock(pthread_mutex_t* mutex) {
    static const auto real = reinterpret_cast<int (*)(pthread_mutex_t*)>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
    locks += watched;
    return real(mutex);
}
}
#endif

namespace {

[[noreturn]] void fail(const std::string& reason) {
    std::fprintf(stderr, "%s\n", reason.c_str());
    std::exit(1);
}

std::string content_of(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail(std::string("cannot read ") + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void ignore(const clap_host_t*) {}
const clap_host_latency_t LATENCY{ignore};
const void* extension_of_host(const clap_host_t*, const char* id) {
    if (std::strcmp(id, CLAP_EXT_LATENCY) == 0) return &LATENCY;  // without which DPF crashes
#if defined(WINDOW)
    return window_extension(id);
#else
    return nullptr;
#endif
}
const clap_host_t HOST{CLAP_VERSION, nullptr, "test", "", "", "1", extension_of_host, ignore, ignore, ignore};

struct Setting {
    std::string name;
    double value;
};

struct Options {
    std::vector<Setting> settings, later;
    std::vector<const char*> loads;
    const char *then = nullptr, *save = nullptr;
    double seconds = 0, window = 0;
};

Options read_options(int count, char** words) {
    Options options;
    for (int i = 7; i + 1 < count; i += 2) {
        const std::string option = words[i], value = words[i + 1];
        if (option == "--set" || option == "--set-then")
            (option == "--set" ? options.settings : options.later)
                .push_back({value.substr(0, value.find('=')), std::atof(value.substr(value.find('=') + 1).c_str())});
        if (option == "--load") options.loads.push_back(words[i + 1]);
        if (option == "--then") options.then = words[i + 1];
        if (option == "--save") options.save = words[i + 1];
        if (option == "--seconds") options.seconds = std::atof(words[i + 1]);
        if (option == "--window") options.window = std::atof(words[i + 1]);
    }
    return options;
}

template <typename Extension>
const Extension* extension(const clap_plugin_t* plugin, const char* id) {
    const auto* found = static_cast<const Extension*>(plugin->get_extension(plugin, id));
    if (!found) fail(std::string("no extension ") + id);
    return found;
}

/// Parameters by name, as events that set them.
std::vector<clap_event_param_value_t> events_of(const clap_plugin_t* plugin, const std::vector<Setting>& settings) {
    const auto* params = extension<clap_plugin_params_t>(plugin, CLAP_EXT_PARAMS);
    std::vector<clap_event_param_value_t> events;
    for (uint32_t index = 0; index < params->count(plugin); ++index) {
        clap_param_info_t info;
        params->get_info(plugin, index, &info);
        double value = 0;
        char text[64] = "";
        params->get_value(plugin, info.id, &value);
        params->value_to_text(plugin, info.id, value, text, sizeof text);
        std::printf("parameter\t%s\t%g\t%s\n", info.name, value, text);
        for (const Setting& setting : settings)
            if (setting.name == info.name)
                events.push_back({{sizeof(clap_event_param_value_t), 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0},
                                  info.id, nullptr, -1, -1, -1, -1, setting.value});
    }
    if (events.size() != settings.size()) fail("no parameter of that name");
    return events;
}

/// One side's ports, with room for a block.
struct Ports {
    std::vector<clap_audio_buffer_t> buffers;
    std::vector<std::vector<float>> samples;
    std::vector<float*> channels;

    Ports(const clap_plugin_t* plugin, bool input) {
        const auto* ports = extension<clap_plugin_audio_ports_t>(plugin, CLAP_EXT_AUDIO_PORTS);
        std::vector<uint32_t> counts;
        for (uint32_t index = 0; index < ports->count(plugin, input); ++index) {
            clap_audio_port_info_t info;
            ports->get(plugin, index, input, &info);
            counts.push_back(info.channel_count);
            std::printf("%s\t%s\t%u\n", input ? "input" : "output", info.name, info.channel_count);
            for (uint32_t channel = 0; channel < info.channel_count; ++channel) samples.emplace_back(4096);
        }
        for (std::vector<float>& line : samples) channels.push_back(line.data());
        float** first = channels.data();
        for (const uint32_t count : counts) {
            buffers.push_back({first, nullptr, count, 0, 0});
            first += count;
        }
    }
};

uint32_t event_count(const clap_input_events_t* list) {
    return static_cast<uint32_t>(static_cast<std::vector<clap_event_param_value_t>*>(list->ctx)->size());
}
const clap_event_header_t* event_at(const clap_input_events_t* list, uint32_t index) {
    return &(*static_cast<std::vector<clap_event_param_value_t>*>(list->ctx))[index].header;
}
/// Says what the plugin's window changed.
bool take(const clap_output_events_t*, const clap_event_header_t* event) {
    if (event->type != CLAP_EVENT_PARAM_VALUE) return true;
    const auto* change = reinterpret_cast<const clap_event_param_value_t*>(event);
    std::printf("changed\t%u\t%g\n", change->param_id, change->value);
    std::fflush(stdout);
    return true;
}

int64_t read_state(const clap_istream_t* stream, void* to, uint64_t size) {
    return static_cast<int64_t>(static_cast<std::ifstream*>(stream->ctx)->read(static_cast<char*>(to), size).gcount());
}
int64_t write_state(const clap_ostream_t* stream, const void* from, uint64_t size) {
    static_cast<std::ofstream*>(stream->ctx)->write(static_cast<const char*>(from), size);
    return static_cast<int64_t>(size);
}

void load_state(const clap_plugin_t* plugin, const char* path) {
    std::ifstream file(path, std::ios::binary);
    const clap_istream_t stream{&file, read_state};
    std::printf("loaded\t%d\n", extension<clap_plugin_state_t>(plugin, CLAP_EXT_STATE)->load(plugin, &stream));
}

/// How the processor treats denormal numbers, which a plugin must leave as it was.
unsigned arithmetic() {
#if defined(__SSE2__)
    return _mm_getcsr() & 0x8040;
#else
    return 0;
#endif
}

/// A plugin that is activated, and all that a block of it takes.
struct Running {
    const clap_plugin_t* plugin;
    Ports &inputs, &outputs;
    std::vector<clap_event_param_value_t> events;
    const float* given;
    std::size_t width, given_frames, done = 0;

    void block(std::size_t some) {
        for (std::size_t i = 0; i < some * width; ++i)
            inputs.samples[i % width][i / width] = given[(done * width + i) % (given_frames * width)];
        const clap_input_events_t in{&events, event_count, event_at};
        const clap_output_events_t out{nullptr, take};
        clap_process_t process{static_cast<int64_t>(done), static_cast<uint32_t>(some), nullptr, inputs.buffers.data(),
                               outputs.buffers.data(), static_cast<uint32_t>(inputs.buffers.size()),
                               static_cast<uint32_t>(outputs.buffers.size()), &in, &out};
        const unsigned before = arithmetic();
        watched = true;
        const auto status = plugin->process(plugin, &process);
        watched = false;
        if (status == CLAP_PROCESS_ERROR) fail("process failed");
        if (arithmetic() != before) fail("denormals are treated otherwise than before");
        events.clear();
        done += some;
    }
};

/// Runs all of the input; after half of it something else is set, and perhaps a state loaded.
void run(Running& running, uint32_t block, std::ofstream& result, std::vector<clap_event_param_value_t> later,
         const char* then) {
    std::minstd_rand random(1);
    const std::size_t frames = running.given_frames;
    while (running.done < frames) {
        if (running.done >= frames / 2) running.events.swap(later);
        if (then && running.done >= frames / 2) {
            std::printf("swapped\t%zu\n", running.done);
            load_state(running.plugin, then);
            then = nullptr;
        }
        const std::size_t some = std::min<std::size_t>(frames - running.done, block ? block : 1 + random() % 4096);
        running.block(some);
        for (std::size_t i = 0; i < some; ++i)
            for (const std::vector<float>& line : running.outputs.samples)
                result.write(reinterpret_cast<const char*>(&line[i]), sizeof(float));
    }
}

/// Bytes of this process that are in memory.
long memory() {
    long pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    return resident * sysconf(_SC_PAGESIZE);
}

/// Plays for so long, and says what it took, and whether all that came out was finite.
void endure(Running& running, double frames) {
    std::minstd_rand random(1);
    bool finite = true;
    float loudest = 0;
    long warm = 0;
    while (running.done < frames) {
        const std::size_t some = 1 + random() % 4096;
        running.block(some);
        for (const std::vector<float>& line : running.outputs.samples)
            for (std::size_t i = 0; i < some; ++i) {
                finite = finite && std::isfinite(line[i]);
                loudest = std::max(loudest, std::fabs(line[i]));
            }
        if (!warm && running.done >= frames / 10) warm = memory();
    }
    std::printf("finite\t%d\nloudest\t%g\nmemory\t%ld\ngrown\t%ld\n", finite, loudest, memory(), memory() - warm);
}

}  // namespace

int main(int count, char** words) {
    if (count < 7) fail("too few arguments");
    const Options options = read_options(count, words);
    void* library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) fail(dlerror());
    const auto* entry = static_cast<const clap_plugin_entry_t*>(dlsym(library, "clap_entry"));
    if (!entry->init(words[1])) fail("no entry");
    const auto* factory = static_cast<const clap_plugin_factory_t*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_plugin_t* plugin = factory->create_plugin(factory, &HOST, words[2]);
    if (!plugin || !plugin->init(plugin)) fail("no plugin");
    const auto* state = extension<clap_plugin_state_t>(plugin, CLAP_EXT_STATE);
    for (const char* load : options.loads) load_state(plugin, load);
    auto events = events_of(plugin, options.settings), later = events_of(plugin, options.later);
    if (!plugin->activate(plugin, std::atof(words[3]), 1, 4096)) fail("not activated");
    std::printf("latency\t%u\n", extension<clap_plugin_latency_t>(plugin, CLAP_EXT_LATENCY)->get(plugin));
    plugin->start_processing(plugin);
    Ports inputs(plugin, true), outputs(plugin, false);
    const std::string given = content_of(words[5]);
    Running running{plugin, inputs, outputs, events, reinterpret_cast<const float*>(given.data()), inputs.channels.size(),
                    given.size() / sizeof(float) / inputs.channels.size()};
    std::ofstream result(words[6], std::ios::binary);
#if defined(WINDOW)
    if (options.window) show_window(plugin, options.window, [&] { running.block(512); });
#endif
    if (options.seconds)
        endure(running, options.seconds * std::atof(words[3]));
    else if (!options.window)
        run(running, std::atoi(words[4]), result, later, options.then);
    plugin->stop_processing(plugin);
    if (options.save) {
        std::ofstream file(options.save, std::ios::binary);
        const clap_ostream_t stream{&file, write_state};
        if (!state->save(plugin, &stream)) fail("state not saved");
    }
    plugin->deactivate(plugin);
    plugin->destroy(plugin);
    entry->deinit();
    std::printf("allocations\t%ld\nlocks\t%ld\n", allocations.load(), locks.load());
    return 0;
}
