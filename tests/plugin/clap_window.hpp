// A plugin's window inside one of the test host's own, on an X11 display.
#pragma once

#include <X11/Xlib.h>
#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "clap/ext/gui.h"
#include "clap/ext/timer-support.h"
#include "clap/plugin.h"

inline bool timer_made(const clap_host_t*, uint32_t, clap_id* id) {
    *id = 1;
    return true;
}
inline bool timer_gone(const clap_host_t*, clap_id) { return true; }
inline const clap_host_timer_support_t TIMER{timer_made, timer_gone};

inline void no_hints(const clap_host_t*) {}
inline bool no_resize(const clap_host_t*, uint32_t, uint32_t) { return false; }
inline bool no_request(const clap_host_t*) { return false; }
inline void no_closing(const clap_host_t*, bool) {}
inline const clap_host_gui_t GUI{no_hints, no_resize, no_request, no_request, no_closing};

/// What a host must have for windows.
inline const void* window_extension(const char* id) {
    if (std::strcmp(id, CLAP_EXT_TIMER_SUPPORT) == 0) return &TIMER;
    return std::strcmp(id, CLAP_EXT_GUI) ? nullptr : &GUI;
}

/// Shows the window, and calls `play` between its pictures, until standard input ends.
template <typename Play>
void show_window(const clap_plugin_t* plugin, double scale, Play play) {
    const auto* gui = static_cast<const clap_plugin_gui_t*>(plugin->get_extension(plugin, CLAP_EXT_GUI));
    const auto* timer = static_cast<const clap_plugin_timer_support_t*>(plugin->get_extension(plugin, CLAP_EXT_TIMER_SUPPORT));
    Display* display = XOpenDisplay(nullptr);
    if (!gui || !timer || !display || !gui->create(plugin, CLAP_WINDOW_API_X11, false)) {
        std::fprintf(stderr, "no window\n");
        std::exit(1);
    }
    gui->set_scale(plugin, scale);
    uint32_t width = 0, height = 0;
    gui->get_size(plugin, &width, &height);
    const Window own = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, width, height, 0, 0, 0);
    XMapWindow(display, own);
    XSync(display, False);
    clap_window_t parent{CLAP_WINDOW_API_X11, {}};
    parent.x11 = own;
    gui->set_parent(plugin, &parent);
    gui->show(plugin);
    gui->get_size(plugin, &width, &height);  // DPF knows the scale only now
    XResizeWindow(display, own, width, height);
    XSync(display, False);
    std::printf("window\t%u\t%u\n", width, height);
    std::fflush(stdout);
    for (pollfd input{0, POLLIN, 0}; poll(&input, 1, 16) == 0;) {
        play();
        timer->on_timer(plugin, 1);
    }
    gui->destroy(plugin);
    XDestroyWindow(display, own);
    XCloseDisplay(display);
}
