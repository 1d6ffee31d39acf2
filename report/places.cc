// SPDX-License-Identifier: Apache-2.0
#include "report/places.h"

#include <fmt/format.h>

#include <utility>

namespace kebound::report {
namespace {

// A target that makes code and faults in it could otherwise grow these without end.
constexpr size_t kMaxPlaces = 65'536;

// A trap of several checks has the line of one of them, or of none, and what is inlined there may
// be another check's.
void leave_function_only(std::vector<SourceFrame>& frames) {
  if (frames.empty()) return;
  SourceFrame function;
  function.function = std::move(frames.back().function);
  frames = {std::move(function)};
}

}  // namespace

std::shared_ptr<Place> Places::resolve(const events::BoundException& exception) {
  Location location;
  if (exception.modules) {
    const auto& event = exception.event;
    location = resolver_.locate(*exception.modules, event.ip);
    // Compilers give the compare of a check its neighbour's line.
    if (event.line_ip != 0 && event.line_ip != event.ip) {
      auto access = resolver_.locate(*exception.modules, event.line_ip);
      if (access.module == location.module && !access.frames.empty()) {
        location.frames = std::move(access.frames);
      }
    }
    if (event.doubt == Doubt::SeveralCandidates) leave_function_only(location.frames);
    // The message is that of the trap; the check is before it.
    if (event.trap_ip != 0 && event.trap_ip != event.ip && location.trap_message.empty()) {
      location.trap_message = resolver_.locate(*exception.modules, event.trap_ip).trap_message;
    }
  }
  std::string name;
  if (location.offset) {
    name = fmt::format("{}+{:x}", location.module, *location.offset);
  } else {
    name = fmt::format("{}@{:x}", exception.program ? *exception.program : "", exception.event.ip);
  }
  if (by_name_.size() >= kMaxPlaces) by_name_.clear();
  auto& place = by_name_[name];
  // Another version of the file under the same name is another place.
  const bool same = place && place->location.build_id == location.build_id &&
                    place->location.frames.empty() == location.frames.empty() &&
                    (location.frames.empty() ||
                     (place->location.frames[0].line == location.frames[0].line &&
                      place->location.frames[0].function == location.frames[0].function));
  if (!same) {
    place = std::make_shared<Place>();
    place->number = next_number_++;
    place->location = std::move(location);
  }
  return place;
}

std::vector<StackFrame> Places::backtrace(const events::BoundException& exception) {
  if (!exception.stack || !exception.modules) return {};
  auto frames = resolver_.backtrace(exception.before, *exception.stack, *exception.modules);
  if (!frames.empty() && frames[0].pc == exception.event.ip) {
    frames[0].location = find(exception).location;
  }
  return frames;
}

Place& Places::find(const events::BoundException& exception) {
  if (!exception.modules) {
    unmapped_ = resolve(exception);
    return *unmapped_;
  }
  if (by_address_.size() >= kMaxPlaces) by_address_.clear();
  auto& place = by_address_[{exception.modules->generation, exception.event.ip}];
  if (!place) place = resolve(exception);
  return *place;
}

}  // namespace kebound::report
