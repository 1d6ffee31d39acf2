// SPDX-License-Identifier: Apache-2.0
#include "report/journal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <utility>
#include <variant>

#include "report/check_rules.h"
#include "report/phrases.h"

namespace kebound::report {
namespace {

constexpr const char* kSocket = "/run/systemd/journal/socket";
// Made once for kebound; `journalctl MESSAGE_ID=...` finds all entries of a kind.
constexpr const char* kExceptionId = "1f0c6a1c5b7e4f0f9a3d8e6b2c4d7a90";
constexpr const char* kRemarkId = "8c2b4de05f1a4c3bb1d7e2f6a9035c41";
constexpr const char* kSummaryId = "d3a7f4925e6b4b8c8f10c5a2e7b96d32";

class LibSystemd final : public JournalSink {
 public:
  using SendV = int (*)(const struct iovec*, int);
  LibSystemd(void* library, SendV sendv) : library_(library), send_(sendv) {}
  LibSystemd(const LibSystemd&) = delete;
  LibSystemd& operator=(const LibSystemd&) = delete;
  ~LibSystemd() override { dlclose(library_); }

  int send(const JournalFields& fields) override {
    std::vector<struct iovec> parts;
    parts.reserve(fields.size());
    for (const auto& field : fields) {
      parts.push_back({const_cast<char*>(field.data()), field.size()});
    }
    const int result = send_(parts.data(), static_cast<int>(parts.size()));
    return result < 0 ? -result : 0;
  }

 private:
  void* const library_;
  const SendV send_;
};

// syslog's levels.
const char* priority(events::Disposition disposition) {
  switch (disposition) {
    case events::Disposition::Handled:
      return "4";  // warning
    case events::Disposition::Propagated:
      return "3";  // error
    case events::Disposition::Terminated:
      return "2";  // critical
  }
  return "3";
}

class Fields {
 public:
  Fields(const char* event, const char* message_id, const char* level, const std::string& message) {
    add("MESSAGE", message);
    add("MESSAGE_ID", message_id);
    add("PRIORITY", level);
    add("SYSLOG_IDENTIFIER", "kebound");
    add("KEBOUND_EVENT", event);
  }
  Fields& add(const char* name, std::string_view value) {
    if (!value.empty()) fields_.push_back(std::string(name) + "=" + std::string(value));
    return *this;
  }
  Fields& add_number(const char* name, int64_t value) {
    return add(name, fmt::format("{}", value));
  }
  Fields& add_hex(const char* name, uint64_t value) {
    return add(name, fmt::format("0x{:x}", value));
  }
  [[nodiscard]] const JournalFields& list() const { return fields_; }

 private:
  JournalFields fields_;
};

// What is left when the journal went away between the check and the start.
class NoJournal final : public JournalSink {
 public:
  int send(const JournalFields&) override { return ENOENT; }
};

std::string_view view(const events::SharedName& name) {
  return name ? std::string_view(*name) : std::string_view();
}

}  // namespace

std::unique_ptr<JournalSink> open_journal(std::string& why) {
  void* const library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    why = "libsystemd is not installed";
    return nullptr;
  }
  const auto send = reinterpret_cast<LibSystemd::SendV>(dlsym(library, "sd_journal_sendv"));
  // libsystemd drops entries without an error where no journal runs.
  if (send == nullptr || access(kSocket, W_OK) != 0) {
    why = send == nullptr ? "libsystemd has no sd_journal_sendv"
                          : std::string("no journal runs here: there is no ") + kSocket;
    dlclose(library);
    return nullptr;
  }
  return std::make_unique<LibSystemd>(library, send);
}

std::unique_ptr<Renderer> make_journal_renderer(bool verbose, Resolver& resolver) {
  std::string why;
  auto sink = open_journal(why);
  if (!sink) sink = std::make_unique<NoJournal>();
  return std::make_unique<JournalRenderer>(std::move(sink), verbose, resolver);
}

JournalRenderer::JournalRenderer(std::unique_ptr<JournalSink> sink, bool verbose,
                                 Resolver& resolver)
    : sink_(std::move(sink)), verbose_(verbose), sites_(resolver) {}

void JournalRenderer::send(const JournalFields& fields) {
  const int result = sink_->send(fields);
  if (error_ == 0) error_ = result;
}

void JournalRenderer::exception(const events::BoundException& exception) {
  const Sighting sighting = sites_.add(exception, false);
  if (!verbose_ && !sighting.first_of_disposition && !sighting.new_reason) return;
  const auto& event = exception.event;
  const Location& location = sites_.place_of(exception).location;
  Fields fields("bound-exception", kExceptionId, priority(exception.disposition),
                fmt::format("bound exception: {} {}: {}", violation(event),
                            where(location, event.ip), outcome(exception)));
  if (!location.frames.empty()) {
    const auto& frame = location.frames[0];
    fields.add("CODE_FUNC", frame.function).add("CODE_FILE", frame.file);
    if (frame.line != 0) fields.add_number("CODE_LINE", frame.line);
  }
  if (exception.pid != 0) fields.add_number("OBJECT_PID", exception.pid);
  if (exception.tid != 0) fields.add_number("KEBOUND_TID", exception.tid);
  fields.add("KEBOUND_PROGRAM", view(exception.program)).add("KEBOUND_MODULE", location.module);
  if (location.offset) fields.add_hex("KEBOUND_MODULE_OFFSET", *location.offset);
  fields.add("KEBOUND_RULE", check_rule(event.source, event.check).id)
      .add_hex("KEBOUND_IP", event.ip);
  fields.add("KEBOUND_CONFIDENCE", confidence_name(event.confidence));
  if (event.confidence != Confidence::Unknown) {
    fields.add_number("KEBOUND_INDEX", event.index);
    fields.add_number("KEBOUND_LOWER", event.lower).add_number("KEBOUND_UPPER", event.upper);
  }
  fields.add("KEBOUND_DISPOSITION", events::disposition_name(exception.disposition));
  fields.add("KEBOUND_REASON", exception.reason)
      .add("KEBOUND_DETAIL", detail_of(exception, location));
  send(fields.list());
}

void JournalRenderer::render(const events::Record& record, std::string&) {
  std::visit(Overloaded{
                 [&](const events::BoundException& it) { exception(it); },
                 [&](const events::BugCheckRecord& it) {
                   send(Fields("bug-check", kRemarkId, "2",
                               fmt::format("bug check 0x{:x}: {}", it.code, it.explanation))
                            .add("KEBOUND_DRIVER", it.driver)
                            .add("KEBOUND_CALLBACK", it.callback)
                            .add_hex("KEBOUND_BUG_CHECK", it.code)
                            .list());
                 },
                 [&](const events::VerifierRecord& it) {
                   send(Fields("verifier", kRemarkId, "4", it.rule + ": " + it.message)
                            .add("KEBOUND_DRIVER", it.driver)
                            .add("KEBOUND_CALLBACK", it.callback)
                            .add("KEBOUND_RULE", it.rule)
                            .list());
                 },
                 [&](const events::DriverOutput& it) {
                   std::string_view text = it.text;
                   while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
                     text.remove_suffix(1);
                   send(Fields("driver-output", kRemarkId, "6", std::string(text))
                            .add("KEBOUND_DRIVER", it.driver)
                            .list());
                 },
                 [](const auto&) {},
             },
             record);
}

void JournalRenderer::finish(const Totals& totals, int64_t, std::string&) {
  if (totals.exceptions == 0 && totals.bug_checks == 0 && totals.verifier == 0) return;
  size_t left = 1'000;  // entries, for those with the most exceptions
  for (const Site* const site : sites_.by_count()) {
    if (site->count < 2 || left-- == 0) break;
    send(Fields("site", kSummaryId, "5",
                fmt::format("{} bound exceptions: {} {}", site->count, violation(*site),
                            where(site->location, site->first.event.ip)))
             .add_number("KEBOUND_COUNT", static_cast<int64_t>(site->count))
             .list());
  }
  send(Fields("summary", kSummaryId, "5",
              fmt::format("{} bound exceptions: {} handled, {} propagated, {} terminated",
                          totals.exceptions, totals.handled, totals.propagated, totals.terminated))
           .add_number("KEBOUND_EXCEPTIONS", static_cast<int64_t>(totals.exceptions))
           .add_number("KEBOUND_HANDLED", static_cast<int64_t>(totals.handled))
           .add_number("KEBOUND_PROPAGATED", static_cast<int64_t>(totals.propagated))
           .add_number("KEBOUND_TERMINATED", static_cast<int64_t>(totals.terminated))
           .add_number("KEBOUND_MISSING", static_cast<int64_t>(totals.missing))
           .list());
}

}  // namespace kebound::report
