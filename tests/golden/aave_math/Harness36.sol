// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

import {MathUtils} from 'aave-v3-6/protocol/libraries/math/MathUtils.sol';
import {PercentageMath} from 'aave-v3-6/protocol/libraries/math/PercentageMath.sol';
import {WadRayMath} from 'aave-v3-6/protocol/libraries/math/WadRayMath.sol';

contract Harness {
  function ray_mul(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayMul(a, b); }
  function ray_mul_floor(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayMulFloor(a, b); }
  function ray_mul_ceil(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayMulCeil(a, b); }
  function ray_div(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayDiv(a, b); }
  function ray_div_floor(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayDivFloor(a, b); }
  function ray_div_ceil(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.rayDivCeil(a, b); }
  function wad_div(uint256 a, uint256 b) external pure returns (uint256) { return WadRayMath.wadDiv(a, b); }
  function percent_mul(uint256 a, uint256 b) external pure returns (uint256) { return PercentageMath.percentMul(a, b); }
  function percent_mul_floor(uint256 a, uint256 b) external pure returns (uint256) { return PercentageMath.percentMulFloor(a, b); }
  function mul_div_ceil(uint256 a, uint256 b, uint256 c) external pure returns (uint256) { return MathUtils.mulDivCeil(a, b, c); }
  function linear(uint256 rate, uint256 elapsed) external view returns (uint256) {
    return MathUtils.calculateLinearInterest(rate, uint40(block.timestamp - elapsed));
  }
  function compounded_continuously(uint256 rate, uint256 elapsed) external pure returns (uint256) {
    return MathUtils.calculateCompoundedInterest(rate, 0, elapsed);
  }
}
