// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

import {MathUtils} from 'aave-v3-0/math/MathUtils.sol';
import {PercentageMath} from 'aave-v3-0/math/PercentageMath.sol';
import {WadRayMath} from 'aave-v3-0/math/WadRayMath.sol';

contract Harness {
  function ray_mul(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayMul(a, b); }
  function ray_div(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayDiv(a, b); }
  function wad_div(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.wadDiv(a, b); }
  function percent_mul(uint256 a, uint256 b) external pure returns (uint256) { return PercentageMath.percentMul(a, b); }
  function linear(uint256 rate, uint256 elapsed) external view returns (uint256) {
    return MathUtils.calculateLinearInterest(rate, uint40(block.timestamp - elapsed));
  }
  function compounded_by_second(uint256 rate, uint256 elapsed) external pure returns (uint256) {
    return MathUtils.calculateCompoundedInterest(rate, 0, elapsed);
  }
}
