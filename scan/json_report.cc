// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include "report/json_writer.h"
#include "scan/scan.h"

namespace kebound::scan {
namespace {

using report::JsonWriter;

void write_place(JsonWriter& json, const Place& place) {
  json.member("file").text_or_null(place.file);
  json.member("line").number_or_null(place.line);
}

void write_image(JsonWriter& json, const ImageResult& image) {
  json.member("image").open('{');
  json.member("path").string(image.path);
  json.member("bits").number(int64_t{image.bits64 ? 64 : 32});
  json.member("position_independent").boolean(image.position_independent);
  json.member("symbols").boolean(image.has_symbols);
  json.member("unwind_table").boolean(image.has_unwind_table);
  json.member("lines").boolean(image.has_lines);
  json.member("unique_traps").boolean(image.unique_traps);
  json.member("code_bytes").number(image.code_bytes);
  json.member("unknown_bytes").number(image.unknown_bytes);
  json.close('}');
}

void write_function_reference(JsonWriter& json, const FunctionResult& function) {
  json.member("function").text_or_null(function.name);
  json.member("function_address").hex(function.begin);
}

void write_check(JsonWriter& json, const Check& check, const FunctionResult& function) {
  json.open('{');
  json.member("source").string(source_name(check.source));
  json.member("kind").string(check_kind_name(check.kind));
  json.member("address").hex(check.address);
  json.member("failure_address").hex(check.failure);
  json.member("branch_address");
  check.branch != 0 ? json.hex(check.branch) : json.null();
  write_function_reference(json, function);
  write_place(json, check.place);
  json.member("known").string(known_name(check.known));
  json.member("resumable").boolean(check.resumable);
  json.member("why").text_or_null(check.why);
  json.member("index").text_or_null(check.index);
  json.member("limit").text_or_null(check.limit);
  json.member("limit_passes");
  check.limit.empty() ? json.null() : json.boolean(check.limit_passes);
  json.member("width").number_or_null(check.width);
  json.member("callee").text_or_null(check.callee);
  json.member("message").text_or_null(check.message);
  json.close('}');
}

void write_function(JsonWriter& json, const FunctionResult& function, bool with_checks) {
  json.open('{');
  write_function_reference(json, function);
  json.member("size").number(function.end - function.begin);
  write_place(json, function.place);
  if (with_checks) json.member("checks").number(uint64_t{function.checks});
  json.member("accesses").number(uint64_t{function.accesses});
  json.close('}');
}

void write_counts(JsonWriter& json, std::string_view name,
                  const std::map<std::string, uint64_t>& counts) {
  json.member(name).open('{');
  for (const auto& [key, count] : counts) json.member(key).number(count);
  json.close('}');
}

void write_totals(JsonWriter& json, const Result& result) {
  std::map<std::string, uint64_t> sources;
  std::map<std::string, uint64_t> kinds;
  std::map<std::string, uint64_t> known = {
      {"certain", 0}, {"likely", 0}, {"arguments", 0}, {"unknown", 0}};
  uint64_t resumable = 0;
  for (const Check& check : result.checks) {
    ++sources[source_name(check.source)];
    ++kinds[check_kind_name(check.kind)];
    ++known[known_name(check.known)];
    resumable += check.resumable;
  }
  json.member("totals").open('{');
  json.member("checks").number(uint64_t{result.checks.size()});
  json.member("functions").number(uint64_t{result.functions.size()});
  json.member("resumable").number(resumable);
  json.member("other_traps").number(uint64_t{result.other_traps});
  json.member("unchecked_functions").number(uint64_t{unguarded_functions(result).size()});
  write_counts(json, "by_source", sources);
  write_counts(json, "by_kind", kinds);
  write_counts(json, "by_known", known);
  json.close('}');
}

}  // namespace

std::string json_report(const Result& result) {
  std::string out;
  JsonWriter json(out);
  json.open('{');
  json.member("version").number(int64_t{1});
  write_image(json, result.image);
  write_totals(json, result);
  json.member("checks").open('[');
  for (const Check& check : result.checks) {
    write_check(json, check, result.functions[check.function]);
  }
  json.close(']');
  json.member("functions").open('[');
  for (const FunctionResult& function : result.functions) {
    if (function.checks > 0) write_function(json, function, true);
  }
  json.close(']');
  std::map<std::string, uint64_t> files;
  for (const Check& check : result.checks) {
    if (check.place.line != 0) ++files[check.place.file];
  }
  json.member("files").open('[');
  for (const auto& [file, count] : files) {
    json.open('{');
    json.member("file").string(file);
    json.member("checks").number(count);
    json.close('}');
  }
  json.close(']');
  json.member("unchecked_functions").open('[');
  for (const size_t index : unguarded_functions(result)) {
    write_function(json, result.functions[index], false);
  }
  json.close(']');
  json.close('}');
  out += '\n';
  return out;
}

}  // namespace kebound::scan
