// SPDX-License-Identifier: Apache-2.0
//
// keywords: a parameter of three keywords, set to the last. The seeded bug looks one further.
#include <iostream>

#include "CoinParam.hpp"

int main() {
  CoinParam parameter("colour", "what it is painted with", "red", 0);
  parameter.appendKwd("green");
  parameter.appendKwd("blue");
  parameter.setKwdVal(2);
  std::cout << parameter.kwdVal() << std::endl;
  return 0;
}
